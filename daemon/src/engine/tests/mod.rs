//! Stories of the pure half: a workflow and a script in, a journal out.

mod again;
mod crash;
mod flow;
mod guards;
mod items;
mod names;
mod rehearse;
mod requests;
mod rules;
mod simulation;
mod steering;
mod sweep;
mod trouble;
