//! Conversations with a scripted server.

mod course;
mod scripted;
mod table;
mod tls;
