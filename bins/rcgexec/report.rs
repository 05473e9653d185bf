//! What a program used, for people and as JSON.
