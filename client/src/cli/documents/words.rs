//! What the YAML reader finds, in our words, each with what to do.

use a2n_proto::json::MAX_DEPTH;
use serde_saphyr::Error;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::granit_parser::ErrorKind as Kind;

use super::fault::Fault;

const LINE_UP: &str = "members of one mapping begin in one column, those inside it further right";
const QUOTE: &str = "put a text with such a character in quotes";

pub(super) fn twice(name: &str, first: Option<u32>) -> Fault {
    let first = first.map(|line| format!(", first in line {line}")).unwrap_or_default();
    Fault::new(format!("`{name}` stands twice{first}"), "keep one of the two")
}

pub(super) fn foreign_tag(tag: &str) -> Fault {
    let hint =
        "leave it out: a document holds texts, numbers, true, false, null, lists and mappings";
    Fault::new(format!("the tag `{tag}` means nothing here"), hint)
}

pub(super) fn no_anchor(name: &str) -> Fault {
    let hint =
        "put a text that begins with `*` in quotes, or give an earlier value this name with `&`";
    Fault::new(format!("`*{name}` stands for a value, and none before it is named `&{name}`"), hint)
}

pub(super) fn no_name(what: &str) -> Fault {
    let hint = match what {
        "nothing" => "write a name before the `:`; put `null` and `~` in quotes where they are one",
        _ => "put a template or text that begins with `{` or `[` in quotes",
    };
    Fault::new(format!("{what} stands where a member's name is expected"), hint)
}

pub(super) fn too_deep() -> Fault {
    Fault::new(format!("nested deeper than {MAX_DEPTH} levels"), "make it flatter")
}

/// A text that is no YAML.
pub(super) fn of_syntax(kind: &Kind) -> Fault {
    let (message, hint) = match kind {
        Kind::TabNotAllowed
        | Kind::TabInBlockIndentation
        | Kind::TabInIndentation
        | Kind::TabAtBlockScalarStart
        | Kind::TabInPlainScalar => ("a tab stands where only spaces may", "indent with spaces"),
        Kind::MissingAnchorOrAliasName => (
            "`*` or `&` stands without a name after it",
            "put a text that begins with `*` or `&` in quotes, as in cron: \"*/5 * * * *\"",
        ),
        Kind::UnclosedQuotedScalar | Kind::DocumentIndicatorInQuotedScalar => {
            ("a text in quotes is not closed", "close the quote")
        }
        Kind::InvalidTrailingSingleQuotedScalar | Kind::InvalidTrailingDoubleQuotedScalar => (
            "there is more after the closing quote",
            "put the whole value in quotes; inside '…' a quote is written ''",
        ),
        Kind::UnknownQuotedScalarEscape
        | Kind::InvalidQuotedScalarHexEscape
        | Kind::InvalidLowSurrogateHexEscape
        | Kind::InvalidLowSurrogate
        | Kind::MissingLowSurrogate
        | Kind::UnpairedLowSurrogate
        | Kind::InvalidUnicodeEscape => (
            "a `\\` stands before what it does not escape",
            "write \\\\ for a backslash, or take single quotes",
        ),
        Kind::UnclosedFlowCollection { open } => {
            return Fault::new(format!("a `{open}` is not closed"), "close it");
        }
        Kind::MismatchedFlowCollectionEnd { open, close } => {
            return Fault::new(format!("a `{open}` is closed by `{close}`"), QUOTE);
        }
        Kind::UnexpectedEofFlowSequence => ("a `[` is not closed", "close it"),
        Kind::UnexpectedEofFlowMapping | Kind::UnexpectedEofImplicitFlowMapping => {
            ("a `{` is not closed", "close it")
        }
        Kind::MisplacedFlowCollectionEnd => ("a bracket is closed that was not opened", QUOTE),
        Kind::ExpectedFlowMappingSeparator => ("a `,` or the closing `}` is missing", QUOTE),
        Kind::ExpectedFlowSequenceSeparator => ("a `,` or the closing `]` is missing", QUOTE),
        Kind::UnexpectedCharacter { character } => {
            return Fault::new(format!("no text begins with `{character}`"), QUOTE);
        }
        Kind::MappingValueNotAllowed => (
            "a member begins in the middle of a text",
            "put a text with `: ` in it in quotes; members of one mapping begin in one column",
        ),
        Kind::SimpleKeyExpected | Kind::InvalidSimpleKey => {
            ("a `:` is missing after a name", LINE_UP)
        }
        Kind::ExpectedNodeContent => ("a value is missing", QUOTE),
        Kind::InvalidIndentation
        | Kind::ExpectedBlockMappingKey
        | Kind::ExpectedBlockSequenceEntry
        | Kind::BlockSequenceEntryNotAllowed
        | Kind::BlockEntryInFlowCollection
        | Kind::MappingKeyNotAllowed
        | Kind::InvalidBlockScalarIndent
        | Kind::InvalidQuotedScalarIndent
        | Kind::InvalidFlowScalarIndent => {
            ("this does not line up with what stands above it", LINE_UP)
        }
        Kind::CommentNotSeparated | Kind::CommentInterceptedScalar => {
            ("a comment begins within a text", "put a space before `#`, or the text in quotes")
        }
        Kind::ZeroBlockScalarIndent | Kind::InvalidBlockScalarHeader => (
            "there is more behind the `|` or `>` that begins a text",
            "begin the text in the next line",
        ),
        Kind::RecursionLimitExceeded => return too_deep(),
        Kind::BomInsideDocument => ("a byte order mark stands within the text", "remove it"),
        Kind::InvalidDocumentEnd
        | Kind::ExpectedDocumentStart
        | Kind::MissingDocumentEndBeforeDirective => (
            "there is more after the end of the document",
            "put a line with `---` before the next document",
        ),
        Kind::ExpectedTagBang
        | Kind::UndeclaredTagHandle
        | Kind::InvalidTagTerminator
        | Kind::UnclosedVerbatimTag
        | Kind::MissingTagUri
        | Kind::InvalidGlobalTagCharacter
        | Kind::InvalidTagEscape => {
            ("a tag is not whole", "put a text that begins with `!` in quotes")
        }
        _ => ("this is not YAML", "look at this line and the ones above it"),
    };
    Fault::new(message, hint)
}

/// A text that is YAML and still no document.
pub(super) fn of_reader(error: &Error) -> Fault {
    let written_out = "write it out instead of naming it with `&` and `*`";
    match error {
        Error::WithSnippet { error, .. } | Error::AliasError { error, .. } => of_reader(error),
        Error::DuplicateMappingKey { key: Some(key), .. } => twice(key, None),
        Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            Fault::new("the values named with `&` unfold to far more than is written", written_out)
        }
        Error::RecursiveReferencesRequireWeakTypes { .. } | Error::UnknownAnchor { .. } => {
            Fault::new("a value that is named with `&` holds itself", written_out)
        }
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => too_deep(),
        Error::Budget { .. } => Fault::new(
            "it has more parts than any document needs",
            "divide it; the daemon takes documents of 1 MiB",
        ),
        Error::MergeValueNotMapOrSeqOfMaps { .. } => {
            Fault::new("what `<<` merges in is not a mapping", "name a mapping after it")
        }
        Error::NonFiniteFloat { value, .. } => {
            Fault::new(format!("`{value}` is no number that JSON has"), "put it in quotes")
        }
        _ => Fault::new(
            "this value is not what its tag says",
            "leave the tag out, or put the value in quotes",
        ),
    }
}
