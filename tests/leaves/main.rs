//! Every leaf of the resource's schema, changed one after the other by values that fit and values
//! that do not: the method of Acto (SOSP 2023). A new field of the spec is covered without a line
//! here, or fails by its name; `cases.yaml` then says what it takes for it to mean something.

mod cases;
mod made;
mod offline;
mod schema;
mod values;
