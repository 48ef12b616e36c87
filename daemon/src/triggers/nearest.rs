//! The names nearest to a mistyped one, for hints.

/// Up to `most` of `known` that a person may have meant by `given`, nearest first. Names that
/// differ in more than a third of their letters are not offered.
pub fn nearest<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str>,
    most: usize,
) -> Vec<String> {
    let wanted: Vec<char> = given.to_lowercase().chars().take(64).collect();
    let mut found: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|name| {
            let letters: Vec<char> = name.to_lowercase().chars().collect();
            let far = distance(&wanted, &letters);
            (far <= wanted.len().max(letters.len()).div_ceil(3)).then_some((far, name))
        })
        .collect();
    found.sort();
    found.into_iter().take(most).map(|(_, name)| name.to_owned()).collect()
}

/// Levenshtein distance.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let swap = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = swap.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_nonsense_finds_none() {
        assert_eq!(nearest("Europe/Berln", ["Europe/Berlin", "UTC"], 3), ["Europe/Berlin"]);
        assert!(nearest("zzzzzz", ["Europe/Berlin", "UTC"], 3).is_empty());
    }
}
