//! End-to-end stories: the real `a2nd`, the real `a2n`, the real socket. One file a theme.

mod attachments;
mod cancel;
mod conversation;
mod crash;
mod editors;
mod examples;
mod first_start;
mod flood;
mod follow;
mod help;
mod history;
mod http;
mod install;
mod keys;
mod mute;
mod quickstart;
mod refused;
mod run;
mod schedule;
mod service;
mod settings;
mod stop;
mod stuck;
mod subscribe;
mod told;
mod websocket;
