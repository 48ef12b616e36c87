//! Webhooks: what the configuration of a WEBHOOK trigger may say.
//!
//! This version arms none. What is saved has to be right all the same, so that it starts what it
//! says on the day it is armed. The schema tells shapes, `check` what a schema can't say.

use std::net::IpAddr;

use a2n_proto::Problem;
use serde_json::{Value, json};

use super::length;
use crate::engine::check::error;

/// What stands for the body where a header's name may stand.
const BODY_HASH: &str = "BODY_HASH";

/// JSON Schema of the configuration.
pub fn schema() -> Value {
    let authentication = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["type"],
        "description": "How a request shows who it is from.",
        "properties": {
            "type": {"enum": ["NONE", "API_KEY", "BASIC", "BEARER", "HMAC"]},
            "credential": {"type": "string", "minLength": 1, "description": "The name of the credential that requests are checked against."},
        },
    });
    let dedupe = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["header"],
        "description": "Which requests are the same one sent again.",
        "properties": {
            "header": {"type": "string", "minLength": 1, "description": "The header that names a delivery, or BODY_HASH for requests with the same body."},
            "window": length::schema("How long a delivery is remembered."),
        },
    });
    let webhook = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["path"],
        "properties": {
            "path": {"type": "string", "description": "Where it is asked, unique with the method."},
            "method": {"enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]},
            "authentication": authentication,
            "responseMode": {"enum": ["IMMEDIATE", "LAST_NODE", "RESPOND_NODE"]},
            "responseFormat": {"enum": ["JSON", "XML", "TEXT"]},
            "maxBodyBytes": {"type": "integer", "minimum": 1, "description": "The longest body that is taken, in bytes."},
            "preset": {"enum": ["PLAIN", "GITHUB", "STRIPE", "STANDARD"]},
            "replayWindow": length::schema("How old a signed request may be."),
            "dedupe": dedupe,
            "allowedIps": {"type": "array", "items": {"type": "string"}, "description": "Addresses and networks that may ask."},
        },
    });
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["webhook"],
        "properties": {"webhook": webhook},
    })
}

/// What the schema can't say. Paths begin below the configuration.
pub fn check(configuration: &Value) -> Vec<Problem> {
    let webhook = &configuration["webhook"];
    let mut problems: Vec<Problem> = path(webhook).into_iter().collect();
    let authentication = &webhook["authentication"];
    if let Some(kind @ ("API_KEY" | "BASIC" | "BEARER" | "HMAC")) = authentication["type"].as_str()
        && authentication["credential"].is_null()
    {
        problems.push(error(
            "webhook.authentication.credential",
            "MISSING_CREDENTIAL",
            format!("authentication of type {kind} needs a credential"),
            Some("name the credential that requests are checked against".to_owned()),
        ));
    }
    let header = &webhook["dedupe"]["header"];
    if let Some(name) = header.as_str().filter(|name| !name.is_empty() && !is_header(name)) {
        problems.push(error(
            "webhook.dedupe.header",
            "BAD_HEADER",
            format!("`{}` is not the name of a header", shown(name)),
            Some(format!("for example X-GitHub-Delivery, or {BODY_HASH}")),
        ));
    }
    problems.extend(length::check("webhook.replayWindow", &webhook["replayWindow"]));
    problems.extend(length::check("webhook.dedupe.window", &webhook["dedupe"]["window"]));
    for (n, from) in webhook["allowedIps"].as_array().into_iter().flatten().enumerate() {
        if let Some(text) = from.as_str().filter(|text| !is_network(text)) {
            problems.push(error(
                &format!("webhook.allowedIps[{n}]"),
                "BAD_ADDRESS",
                format!("`{}` is not an address or a network", shown(text)),
                Some("for example 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32".to_owned()),
            ));
        }
    }
    problems
}

/// What is wrong with the path: it is one that no request can have.
fn path(webhook: &Value) -> Option<Problem> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~');
    let is_part =
        |part: &str| !part.is_empty() && part.chars().all(plain) && !matches!(part, "." | "..");
    let path = webhook["path"].as_str()?;
    if path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_part)) {
        return None;
    }
    Some(error(
        "webhook.path",
        "BAD_PATH",
        format!("`{}` is not a path", shown(path)),
        Some("begin with / and use the characters a-z A-Z 0-9 - . _ ~ between them".to_owned()),
    ))
}

fn is_header(name: &str) -> bool {
    http::HeaderName::from_bytes(name.as_bytes()).is_ok()
}

fn is_network(text: &str) -> bool {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let most = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    bits.is_none_or(|bits| {
        bits.bytes().all(|b| b.is_ascii_digit()) && bits.parse::<u8>().is_ok_and(|n| n <= most)
    })
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_that_a_request_can_have() {
        let is_good = |text: &str| path(&json!({"path": text})).is_none();
        for good in ["/a", "/hooks/git-hub_1.2~x"] {
            assert!(is_good(good), "{good}");
        }
        for bad in ["", "/", "a", "/a/", "//a", "/a/../b", "/a b", "/a?b", "/\u{e4}", "/%41"] {
            assert!(!is_good(bad), "{bad}");
        }
    }

    #[test]
    fn a_network_is_an_address_with_as_many_bits_as_it_has_at_most() {
        for good in ["192.0.2.7", "10.0.0.0/8", "0.0.0.0/0", "::1", "2001:db8::/32", "::/128"] {
            assert!(is_network(good), "{good}");
        }
        for bad in ["", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0", "::/129", "host", "/8"]
        {
            assert!(!is_network(bad), "{bad}");
        }
    }
}
