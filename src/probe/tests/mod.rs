//! Conversations with a scripted server.

mod course;
mod real;
mod replies;
mod scripted;
mod table;
mod tls;
