//! The layer under tracing: gathers a record, with what is known of the call and the
//! spans around it, and hands it to the sinks.

use std::sync::Arc;

use serde_json::{Map, Value};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::record::{Entry, Fields};
use super::sinks::Sinks;
use super::subject::Subject;
use crate::system::Clock;

pub(super) struct Book {
    sinks: Arc<Sinks>,
    clock: Arc<dyn Clock>,
}

impl Book {
    pub(super) fn new(sinks: Arc<Sinks>, clock: Arc<dyn Clock>) -> Self {
        Self { sinks, clock }
    }
}

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Book {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }
    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Map::<String, Value>::new();
        if let Some(Subject { method, caller }) = Subject::now() {
            fields.insert("method".into(), method.into());
            fields.insert("caller".into(), caller.into());
        }
        if let Some(scope) = context.event_scope(event) {
            for span in scope.from_root() {
                if let Some(of_span) = span.extensions().get::<Fields>() {
                    fields.extend(of_span.named());
                }
            }
        }
        self.sinks.take(&Entry::of(event, self.clock.now(), fields));
    }
}
