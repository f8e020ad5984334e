//! The agents' door: HTTP/2 over mutual TLS, apart from the API's.

mod hub;

pub use hub::Hub;
