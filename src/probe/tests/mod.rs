//! Conversations with a scripted server.

mod course;
mod real;
mod scripted;
mod table;
mod tls;
