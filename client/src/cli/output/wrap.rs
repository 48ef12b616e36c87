//! Running text within the terminal's width.

use a2n_client::safe_text::width;

/// The text with its paragraphs filled to so many cells. Code and tables stay as they are, a list's
/// further lines stand below its first word.
pub(crate) fn wrapped(text: &str, cells: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        let is_fence = line.trim_start().starts_with("```");
        let stays = in_code || is_code(line);
        in_code ^= is_fence;
        let goes_on = !stays
            && !line.trim().is_empty()
            && !begins_block(line)
            && lines.last().is_some_and(|last| !last.trim().is_empty() && !is_code(last));
        if stays || line.trim().is_empty() {
            lines.push(line.to_owned());
        } else if goes_on {
            fill(&mut lines, line, cells);
        } else {
            let indent = line.len() - line.trim_start().len();
            lines.push(line[..indent].to_owned());
            fill(&mut lines, line, cells);
        }
    }
    lines.join("\n")
}

/// Whether a line says of itself that it stays as it is.
fn is_code(line: &str) -> bool {
    line.trim_start().starts_with("```") || line.starts_with("    ") || line.starts_with('|')
}

/// Whether a line is not the rest of the paragraph before it.
fn begins_block(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("- ") || line.starts_with("* ") || line.starts_with('#')
}

/// Puts the words of a line behind the last line, and on lines below it where it is full.
fn fill(lines: &mut Vec<String>, line: &str, cells: usize) {
    for word in line.split_whitespace() {
        let last = lines.last_mut().expect("a line was begun");
        let blank = usize::from(!last.trim().is_empty());
        if blank == 1 && width(last) + 1 + width(word) > cells {
            let indent = last.len() - last.trim_start().len();
            let below =
                if begins_block(last) && !last.trim_start().starts_with('#') { 2 } else { 0 };
            lines.push(format!("{}{word}", " ".repeat(indent + below)));
        } else {
            last.push_str(&" ".repeat(blank));
            last.push_str(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_filled_and_code_stays() {
        let text = "One two three four\nfive six.\n\n- a list that is long\n  and goes on\n- short\n\n\
                    ```\nthis line stays as it is whatever it is\n```\n\n    and so does this one here\n\
                    unbreakable-word-of-many-letters";
        insta::assert_snapshot!(wrapped(text, 16), @r"
        One two three
        four five six.

        - a list that is
          long and goes
          on
        - short

        ```
        this line stays as it is whatever it is
        ```

            and so does this one here
        unbreakable-word-of-many-letters
        ");
    }
}
