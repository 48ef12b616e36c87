//! [`Method`]: what a method of the socket is, and [`MethodInfo`], the same without its types.

use std::fmt::Debug;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Access, Notice, SubscriptionId};
use crate::{ErrorKind, Json, RpcError, json};

/// A method of the socket: names, types and what it needs, without a body.
pub trait Method: Debug + Send + Sync + 'static {
    /// `<entity>.<verb>`.
    const NAME: &'static str;
    /// What the caller needs.
    const ACCESS: Access;
    /// Whether it reads, writes or goes on.
    const KIND: Kind;
    /// What it does, in one sentence.
    const SUMMARY: &'static str;
    /// What it takes: an object.
    type Params: Serialize + DeserializeOwned + JsonSchema + Debug + Send + Sync + 'static;
    /// What it answers.
    type Answer: Serialize + DeserializeOwned + JsonSchema + Debug + Send + Sync + 'static;
    /// What it does, in one sentence.
    fn summary() -> &'static str {
        Self::SUMMARY
    }
    /// Params that fit.
    fn example() -> Json;
    /// An answer that fits, where it is short.
    fn example_answer() -> Option<Json> {
        None
    }
}

/// A method that answers a [`SubscriptionId`] and then sends notifications.
pub trait Subscription: Method<Answer = SubscriptionId> {
    /// One of the items in a notification.
    type Item: Serialize + DeserializeOwned + JsonSchema + Debug + Send + Sync + 'static;
    /// The notifications' method name.
    const NOTIFICATION: &'static str;
    /// The method that ends it.
    const UNSUBSCRIBE: &'static str;
}

/// What sort of method it is.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Changes nothing.
    Read,
    /// May change something: takes an `idempotencyKey`.
    Write,
    /// Answers an id, then sends notifications.
    Subscribe {
        /// The notifications' method name.
        notification: &'static str,
        /// The method that ends it.
        unsubscribe: &'static str,
        /// The schema of a notification's `result`.
        notice_schema: SchemaFn,
    },
    /// Ends a subscription.
    Unsubscribe,
}

/// Draws a type's JSON Schema; types it mentions go to the generator's definitions.
pub type SchemaFn = fn(&mut SchemaGenerator) -> Schema;

/// A method without its types: what lists, documents and tests walk over.
#[derive(Debug, Clone, Copy)]
pub struct MethodInfo {
    /// `<entity>.<verb>`.
    pub name: &'static str,
    /// What the caller needs.
    pub access: Access,
    /// What sort of method it is.
    pub kind: Kind,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// The schema of its params.
    pub params_schema: SchemaFn,
    /// The schema of its answer.
    pub answer_schema: SchemaFn,
    /// Params that fit.
    pub example: fn() -> Json,
    /// An answer that fits, where it is short.
    pub example_answer: fn() -> Option<Json>,
    /// Reads params as the method's own type and says what is wrong with them.
    pub check_params: fn(&str) -> Result<(), RpcError>,
}

impl MethodInfo {
    /// What is known of a method.
    pub const fn of<M: Method>() -> Self {
        Self {
            name: M::NAME,
            access: M::ACCESS,
            kind: M::KIND,
            summary: M::SUMMARY,
            params_schema: schema_of::<M::Params>,
            answer_schema: schema_of::<M::Answer>,
            example: M::example,
            example_answer: M::example_answer,
            check_params: check_params::<M>,
        }
    }
    /// The namespace: the entity's name.
    pub fn namespace(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(namespace, _)| namespace)
    }
    /// Whether it takes an `idempotencyKey`.
    pub const fn writes(&self) -> bool {
        matches!(self.kind, Kind::Write)
    }
}

/// Draws the schema of `T`.
pub(super) fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Draws the schema of what a subscription to `T` sends.
pub(super) fn notice_schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Notice<T>>()
}

fn check_params<M: Method>(text: &str) -> Result<(), RpcError> {
    read_params::<M>(text).map(|_| ())
}

/// Reads a method's params from checked JSON text; absent ones are passed as `{}`.
pub fn read_params<M: Method>(text: &str) -> Result<M::Params, RpcError> {
    if !text.trim_start().starts_with('{') {
        return Err(RpcError::new(ErrorKind::Params, "params has to be one object")
            .at("params")
            .hint(format!("for example {}", M::example())));
    }
    json::read(text).map_err(|unfit| {
        let error = RpcError::new(ErrorKind::Params, unfit.message)
            .hint(format!("for example {}", M::example()));
        if unfit.path.is_empty() { error } else { error.at(unfit.path) }
    })
}

/// Params of methods that take none: `{}`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Declares methods: doc sentence, name, access, params, answer, example.
macro_rules! methods {
    ($(
        $(#[doc = $doc:literal])+
        $method:ident = $wire:literal, $kind:ident, $access:expr,
        $params:ty => $answer:ty,
        example $example:tt $(=> $answer_example:tt)?;
    )*) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy)]
        pub struct $method;
        impl $crate::api::Method for $method {
            const NAME: &'static str = $wire;
            const ACCESS: $crate::api::Access = $access;
            const KIND: $crate::api::Kind = $crate::api::Kind::$kind;
            const SUMMARY: &'static str = concat!($($doc),+).trim_ascii();
            type Params = $params;
            type Answer = $answer;
            fn example() -> $crate::Json {
                serde_json::json!($example).into()
            }
            $(fn example_answer() -> Option<$crate::Json> {
                Some(serde_json::json!($answer_example).into())
            })?
        }
    )*};
}
pub(super) use methods;

/// Declares a subscription and the method that ends it.
macro_rules! subscription {
    (
        $(#[doc = $doc:literal])+
        $method:ident = $wire:literal, $access:expr, $params:ty => $item:ty as $notification:literal,
        example $example:tt;
        $(#[doc = $undoc:literal])+
        $unsubscribe:ident = $unwire:literal;
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy)]
        pub struct $method;
        impl $crate::api::Method for $method {
            const NAME: &'static str = $wire;
            const ACCESS: $crate::api::Access = $access;
            const KIND: $crate::api::Kind = $crate::api::Kind::Subscribe {
                notification: $notification,
                unsubscribe: $unwire,
                notice_schema: $crate::api::method::notice_schema_of::<$item>,
            };
            const SUMMARY: &'static str = concat!($($doc),+).trim_ascii();
            type Params = $params;
            type Answer = $crate::api::SubscriptionId;
            fn example() -> $crate::Json {
                serde_json::json!($example).into()
            }
            fn example_answer() -> Option<$crate::Json> {
                Some(serde_json::json!(1).into())
            }
        }
        impl $crate::api::Subscription for $method {
            type Item = $item;
            const NOTIFICATION: &'static str = $notification;
            const UNSUBSCRIBE: &'static str = $unwire;
        }
        $(#[doc = $undoc])+
        #[derive(Debug, Clone, Copy)]
        pub struct $unsubscribe;
        impl $crate::api::Method for $unsubscribe {
            const NAME: &'static str = $unwire;
            const ACCESS: $crate::api::Access = $access;
            const KIND: $crate::api::Kind = $crate::api::Kind::Unsubscribe;
            const SUMMARY: &'static str = concat!($($undoc),+).trim_ascii();
            type Params = $crate::api::Unsubscription;
            type Answer = $crate::api::Unsubscribed;
            fn example() -> $crate::Json {
                serde_json::json!({"subscription": 1}).into()
            }
            fn example_answer() -> Option<$crate::Json> {
                Some(serde_json::json!(true).into())
            }
        }
    };
}
pub(super) use subscription;
