//! How long an expression may be. minijinja reads, folds and drops an expression by recursion and
//! folds a long chain anew for each of its links; so what is too long must not get to it at all.

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

/// Most tokens between two braces; a text in quotes is one, however long.
const TOKENS: usize = 500;
/// Most statements of one template: each may put the value of the one before into another list.
const STATEMENTS: usize = 500;

/// What is too long, and where in the text. What can't be read is left to who reads it.
pub(super) fn check(text: &str) -> Result<(), (usize, String)> {
    let (mut tokens, mut statements) = (0, 0);
    for token in tokenize(text, false, SyntaxConfig::default()) {
        let Ok((token, span)) = token else { return Ok(()) };
        match token {
            Token::VariableStart => tokens = 0,
            Token::BlockStart => {
                tokens = 0;
                statements += 1;
            }
            _ => tokens += 1,
        }
        let at = usize::try_from(span.start_offset).unwrap_or(0);
        if tokens > TOKENS {
            return Err((at, format!("an expression may have {TOKENS} parts; this is one more")));
        }
        if statements > STATEMENTS {
            return Err((at, format!("a text may have {STATEMENTS} statements; this is one more")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_fine_and_long_expressions_are_not() {
        let text = format!("{}{{{{ '{}' }}}}", "plain ".repeat(9000), "quoted ".repeat(9000));
        assert_eq!(check(&text), Ok(()));
        assert_eq!(check(&"{{ 1 + 1 }}".repeat(2000)), Ok(()));
        assert_eq!(check(&format!("{{{{ 1{} }}}}", " + 1".repeat(200))), Ok(()));
        let (at, message) = check(&format!("x {{{{ 1{} }}}}", " + 1".repeat(300))).unwrap_err();
        assert!(at > 900 && message.contains("500 parts"), "{at} {message}");
        assert!(check(&"{% if 1 %}{% endif %}".repeat(300)).is_err());
        assert!(
            check(&format!("{{% raw %}}{{{{ ' {{% endraw %}}{{{{ {} }}}}", "-".repeat(600)))
                .is_err()
        );
    }
}
