//! Schemas of the two scalars that the wire knows as text: decimals and quantities.
//!
//! Each pattern says what its Rust type reads, no more and no less.

use crate::decimal::Dec;
use crate::quantity::Quantity;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

impl JsonSchema for Dec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Dec".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": 17,
            "pattern": "^-?[0-9]{1,10}(\\.[0-9]{1,5})?$",
        })
    }
}

impl JsonSchema for Quantity {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    /// A pattern and not a rule: a rule over a value that is a number or a text has no length to reckon its cost with.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "minimum": 0,
            "maximum": 999_999_999_999_999_u64,
            "pattern": "^[0-9]{1,15}(\\.[0-9]{1,9})?([KMGTPE]i|[numkMGTPE]|[eE][0-9]{1,2})?$",
        })
    }
}
