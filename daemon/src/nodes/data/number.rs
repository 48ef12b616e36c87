//! Decimal numbers as they are written: compared and added without losing a digit. A double would make
//! 9007199254740993 and 9007199254740992 one, and 0.1 + 0.2 more than 0.3.

use std::cmp::Ordering;

/// Most digits that a sum may need side by side; a double's whole range needs about 1,100.
const MAX_DIGITS: i64 = 2_000;
/// Digits of a quotient that does not end.
const QUOTIENT_DIGITS: usize = 17;
/// Digits up to which a quotient is tried to its end.
const EXACT_DIGITS: usize = 40;

/// A number: `0.DIGITS × 10^point`. The first and the last digit are never 0; zero has no digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Number {
    negative: bool,
    point: i64,
    digits: Vec<u8>,
}

impl Number {
    /// Reads a number as JSON and people write it: `-1.50`, `+3`, `007`, `1E5`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (rest, 0),
        };
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !is_digits(whole) || !is_digits(part) {
            return None;
        }
        let digits = whole.bytes().chain(part.bytes()).map(|byte| byte - b'0').collect();
        let point = i64::try_from(whole.len()).ok()? + i64::from(exponent);
        Some(Self::of(negative, digits, point))
    }
    /// A count.
    pub(crate) fn count(count: usize) -> Self {
        Self::parse(&count.to_string()).unwrap_or_else(Self::zero)
    }
    fn zero() -> Self {
        Self { negative: false, point: 0, digits: Vec::new() }
    }
    fn of(negative: bool, mut digits: Vec<u8>, mut point: i64) -> Self {
        let zeros = digits.iter().take_while(|digit| **digit == 0).count();
        digits.drain(..zeros);
        point = point.saturating_sub(length(zeros));
        let kept = digits.iter().rposition(|digit| *digit != 0).map_or(0, |last| last + 1);
        digits.truncate(kept);
        if digits.is_empty() { Self::zero() } else { Self { negative, point, digits } }
    }
    /// Divided by a count above 0: exact where that ends, else rounded to 17 digits, or as many as stand
    /// before the point.
    pub(crate) fn divided(&self, by: usize) -> Self {
        let by = by as u128;
        let (mut quotient, mut rest) = (Vec::with_capacity(self.digits.len()), 0_u128);
        let mut leading = 0;
        for at in 0.. {
            let digit = self.digits.get(at).copied();
            let enough = quotient.len() - leading >= EXACT_DIGITS;
            if digit.is_none() && (rest == 0 || enough) {
                break;
            }
            rest = rest * 10 + u128::from(digit.unwrap_or(0));
            quotient.push(u8::try_from(rest / by).unwrap_or(9));
            rest %= by;
            if quotient.len() == leading + 1 && quotient[leading] == 0 {
                leading += 1;
            }
        }
        let quotient = Self::of(self.negative, quotient, self.point);
        if rest == 0 { quotient } else { quotient.rounded() }
    }
    fn rounded(mut self) -> Self {
        let keep = QUOTIENT_DIGITS.max(usize::try_from(self.point).unwrap_or(0));
        if self.digits.get(keep).is_some_and(|digit| *digit >= 5) {
            self.digits.truncate(keep);
            for digit in self.digits.iter_mut().rev() {
                *digit = (*digit + 1) % 10;
                if *digit != 0 {
                    return Self::of(self.negative, self.digits, self.point);
                }
            }
            return Self { digits: vec![1], point: self.point + 1, ..self };
        }
        self.digits.truncate(keep);
        Self::of(self.negative, self.digits, self.point)
    }
    /// As JSON. Equal numbers have equal texts.
    pub(crate) fn text(&self) -> String {
        let digits: String = self.digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        let sign = if self.negative { "-" } else { "" };
        let count = length(self.digits.len());
        let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
        match self.point {
            _ if digits.is_empty() => "0".to_owned(),
            point if !(-6..=40).contains(&point) => {
                let (first, rest) = digits.split_at(1);
                let point_and_rest =
                    if rest.is_empty() { String::new() } else { format!(".{rest}") };
                format!("{sign}{first}{point_and_rest}e{}", point - 1)
            }
            point if point <= 0 => format!("{sign}0.{}{digits}", zeros(-point)),
            point if point >= count => format!("{sign}{digits}{}", zeros(point - count)),
            point => {
                let (whole, part) = digits.split_at(usize::try_from(point).unwrap_or(0));
                format!("{sign}{whole}.{part}")
            }
        }
    }
    fn size_order(&self, other: &Self) -> Ordering {
        let some = |number: &Self| !number.digits.is_empty();
        let by_point = some(self).cmp(&some(other)).then(self.point.cmp(&other.point));
        by_point.then_with(|| self.digits.cmp(&other.digits))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.size_order(other),
            (true, true) => other.size_order(self),
            (negative, _) => {
                if negative {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Adds numbers up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sum {
    plus: Column,
    minus: Column,
}

impl Sum {
    /// Adds one; an error where the digits would be too many.
    pub(crate) fn add(&mut self, number: &Number) -> Result<(), String> {
        if number.negative { self.minus.add(number) } else { self.plus.add(number) }
    }
    /// What they come to.
    pub(crate) fn total(&self) -> Result<Number, String> {
        let low = self.plus.low.min(self.minus.low);
        let high = self.plus.high().max(self.minus.high());
        within_reach(low, high)?;
        let (plus, minus) = (self.plus.from(low, high), self.minus.from(low, high));
        let negative = plus < minus;
        let (more, less) = if negative { (minus, plus) } else { (plus, minus) };
        let mut digits = Vec::with_capacity(more.len());
        let mut borrowed = 0;
        for (a, b) in more.iter().zip(&less).rev() {
            let b = b + borrowed;
            borrowed = u8::from(*a < b);
            digits.push(a + 10 * borrowed - b);
        }
        digits.reverse();
        let total = Number::of(negative, digits, high);
        // What no reader could take as a number would be lost behind this node.
        match total.text().parse::<f64>() {
            Ok(double) if double.is_finite() => Ok(total),
            _ => Err("the sum is beyond 1.7e308".to_owned()),
        }
    }
}

/// Digits in a row from the lowest to the highest; `low` is the power of ten of the first.
#[derive(Debug, Clone, Default)]
struct Column {
    digits: Vec<u8>,
    low: i64,
}

impl Column {
    fn high(&self) -> i64 {
        self.low + length(self.digits.len())
    }
    fn add(&mut self, number: &Number) -> Result<(), String> {
        if number.digits.is_empty() {
            return Ok(());
        }
        let low = number.point - length(number.digits.len());
        if self.digits.is_empty() {
            self.low = low;
        }
        within_reach(self.low.min(low), self.high().max(number.point))?;
        let missing = usize::try_from(self.low - low).unwrap_or(0);
        self.digits.splice(..0, std::iter::repeat_n(0, missing));
        self.low = self.low.min(low);
        let mut place = usize::try_from(low - self.low).unwrap_or(0);
        let mut carried = 0;
        let mut digits = number.digits.iter().rev();
        loop {
            let digit = digits.next();
            if digit.is_none() && carried == 0 {
                return Ok(());
            }
            if place >= self.digits.len() {
                self.digits.resize(place + 1, 0);
            }
            let sum = self.digits[place] + digit.copied().unwrap_or(0) + carried;
            self.digits[place] = sum % 10;
            carried = sum / 10;
            place += 1;
        }
    }
    /// All digits from the highest to the lowest, between two powers of ten.
    fn from(&self, low: i64, high: i64) -> Vec<u8> {
        let digit = |power: i64| {
            let place = usize::try_from(power - self.low).ok();
            place.and_then(|place| self.digits.get(place)).copied().unwrap_or(0)
        };
        (low..high).rev().map(digit).collect()
    }
}

fn within_reach(low: i64, high: i64) -> Result<(), String> {
    if high - low > MAX_DIGITS {
        return Err(format!("an exact sum would need more than {MAX_DIGITS} digits"));
    }
    Ok(())
}

fn length(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap_or_else(|| panic!("{text} is a number"))
    }
    fn sum(numbers: &[&str]) -> Result<Number, String> {
        let mut sum = Sum::default();
        numbers.iter().try_for_each(|text| sum.add(&number(text)))?;
        sum.total()
    }

    #[test]
    fn equal_values_are_equal_however_they_are_written() {
        let same = [("1", "1.0"), ("1e2", "100"), ("-0", "0"), ("0.10", "+1E-1"), ("007", "7")];
        for (one, other) in same {
            assert_eq!(number(one), number(other));
            assert_eq!(number(one).text(), number(other).text());
        }
        for text in
            ["", "-", ".", "1.", ".5", "1e", "0x1", "1_000", "1,0", "NaN", "inf", "--1", "1 "]
        {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }

    #[test]
    fn no_digit_is_lost() {
        assert!(number("9007199254740992") < number("9007199254740993"));
        assert_eq!(sum(&["0.1", "0.2"]).unwrap().text(), "0.3");
        let wanted = "123456789012345678901234567891.5";
        assert_eq!(sum(&["123456789012345678901234567890", "1.5"]).unwrap().text(), wanted);
        assert_eq!(sum(&["1e300", "1", "-1e300"]).unwrap().text(), "1");
        assert_eq!(sum(&["5", "-7.25"]).unwrap().text(), "-2.25");
        assert_eq!(sum(&["999", "1"]).unwrap().text(), "1000");
        assert_eq!(sum(&[]).unwrap().text(), "0");
        assert!(sum(&["1e308", "1e308"]).unwrap_err().contains("1.7e308"));
        assert!(sum(&["1", "1e-9999"]).unwrap_err().contains("2000 digits"));
        assert!(sum(&["1", "-1e-9999"]).unwrap_err().contains("2000 digits"));
    }

    #[test]
    fn a_quotient_is_exact_where_it_ends() {
        let divided = |text: &str, by| number(text).divided(by).text();
        assert_eq!(divided("1", 3), "0.33333333333333333");
        assert_eq!(divided("-2", 3), "-0.66666666666666667");
        assert_eq!(divided("12345678901234567891", 2), "6172839450617283945.5");
        assert_eq!(divided("10000000000000000000000", 3), "3333333333333333333333");
        assert_eq!(divided("6", 6), "1");
        assert_eq!(divided("0", 9), "0");
        assert_eq!(divided("1e-300", 8), "1.25e-301");
    }

    proptest! {
        #[test]
        fn sums_and_order_are_those_of_whole_numbers(all in prop::collection::vec(any::<i64>(), 0..20)) {
            let texts: Vec<String> = all.iter().map(i64::to_string).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let wanted: i128 = all.iter().map(|n| i128::from(*n)).sum();
            prop_assert_eq!(sum(&texts).unwrap().text(), wanted.to_string());
            let mut sorted = all.clone();
            sorted.sort_unstable();
            let mut numbers: Vec<Number> = texts.iter().map(|text| number(text)).collect();
            numbers.sort();
            let told: Vec<String> = numbers.iter().map(Number::text).collect();
            let wanted: Vec<String> = sorted.iter().map(i64::to_string).collect();
            prop_assert_eq!(told, wanted);
        }
        #[test]
        fn the_text_of_a_number_is_the_same_number(text in "-?[0-9]{1,30}(\\.[0-9]{1,30})?(e-?[0-9]{1,3})?") {
            let once = number(&text);
            prop_assert_eq!(&number(&once.text()), &once);
        }
    }
}
