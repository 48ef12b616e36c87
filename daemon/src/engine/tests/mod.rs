//! Stories of the pure half: a workflow and a script in, a journal out.

mod again;
mod approvals;
mod crash;
mod finally;
mod flow;
mod guards;
mod items;
mod joins;
mod loops;
mod names;
mod rehearse;
mod requests;
mod rules;
mod scale;
mod shapes;
mod simulation;
mod steering;
mod sweep;
mod tries;
mod trouble;
mod wide;
