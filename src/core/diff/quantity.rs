//! Kubernetes quantities, by value
//! (<https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>).

/// An amount in billionths, the finest that Kubernetes stores; what is finer is
/// rounded away from zero, as Kubernetes' own parser does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(i128);

const NANO: i128 = 1_000_000_000;
const MILLI: i128 = 1_000_000;

impl Quantity {
    /// Parses a quantity; `None` where the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, text) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, suffix) = text.split_at(digits);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return None;
        }
        // The amount is mantissa × base^exponent ÷ 10^(decimal places of the mantissa).
        let mantissa = mantissa(whole, fraction)?;
        let places = i32::try_from(fraction.trim_end_matches('0').len()).ok()?;
        let amount = match scale(suffix)? {
            Scale::Binary(bits) => rounded(mantissa.checked_mul(NANO)?.checked_mul(1 << bits)?, places)?,
            Scale::Decimal(exponent) => rounded(mantissa, places - exponent - 9)?,
        };
        Some(Self(if negative { -amount } else { amount }))
    }

    /// Whether both are the same amount to Kubernetes. A `ResourceList` stores
    /// thousandths only, rounded up, so amounts that differ in finer places are
    /// the same there.
    pub fn is_equal(self, other: Self) -> bool {
        self == other || self.rounded_to_milli() == other.rounded_to_milli()
    }

    /// Both amounts together; `None` where that is more than fits.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    fn rounded_to_milli(self) -> i128 {
        let (whole, rest) = (self.0 / MILLI, self.0 % MILLI);
        whole + rest.signum()
    }
}

enum Scale {
    Binary(u32),
    Decimal(i32),
}

/// The scale that a suffix stands for; `None` where it is none.
fn scale(suffix: &str) -> Option<Scale> {
    Some(match suffix {
        "n" => Scale::Decimal(-9),
        "u" => Scale::Decimal(-6),
        "m" => Scale::Decimal(-3),
        "" => Scale::Decimal(0),
        "k" => Scale::Decimal(3),
        "M" => Scale::Decimal(6),
        "G" => Scale::Decimal(9),
        "T" => Scale::Decimal(12),
        "P" => Scale::Decimal(15),
        "E" => Scale::Decimal(18),
        "Ki" => Scale::Binary(10),
        "Mi" => Scale::Binary(20),
        "Gi" => Scale::Binary(30),
        "Ti" => Scale::Binary(40),
        "Pi" => Scale::Binary(50),
        "Ei" => Scale::Binary(60),
        _ => Scale::Decimal(
            suffix.strip_prefix(['e', 'E'])?.parse().ok().filter(|exponent: &i32| exponent.abs() < 1000)?,
        ),
    })
}

/// The digits as one number, without the zeros that end the fraction.
fn mantissa(whole: &str, fraction: &str) -> Option<i128> {
    let fraction = fraction.trim_end_matches('0');
    whole
        .bytes()
        .chain(fraction.bytes())
        .try_fold(0_i128, |number, byte| number.checked_mul(10)?.checked_add(i128::from(byte - b'0')))
}

/// `number` ÷ 10^`places`, rounded away from zero; `None` where it does not fit.
fn rounded(number: i128, places: i32) -> Option<i128> {
    match u32::try_from(places) {
        Err(_) => number.checked_mul(10_i128.checked_pow(places.unsigned_abs())?),
        Ok(places) => Some(match 10_i128.checked_pow(places) {
            Some(divisor) => number / divisor + i128::from(number % divisor != 0),
            None => i128::from(number != 0),
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn two_spellings_of_one_amount_are_equal() {
        for (a, b, same) in [
            ("1000m", "1", true),
            ("0.5", "500m", true),
            (".5", "500m", true),
            ("5.", "5", true),
            ("1.5Gi", "1536Mi", true),
            ("0.5Gi", "536870912", true),
            ("1000M", "1G", true),
            ("1e3", "1k", true),
            ("1E3", "1000", true),
            ("12000m", "12", true),
            ("1Ki", "1024", true),
            ("100.5m", "101m", true),
            ("0.0001", "1m", true),
            ("-0.5", "-500m", true),
            ("+1", "1", true),
            ("1", "1m", false),
            ("1Ki", "1k", false),
            ("-1", "1", false),
            ("1G", "1Gi", false),
        ] {
            let (left, right) = (Quantity::parse(a).unwrap(), Quantity::parse(b).unwrap());
            assert_eq!(left.is_equal(right), same, "{a} and {b}");
        }
        for none in ["", "m", "1K", "1 Gi", "1ki", "a", "1.2.3", "-", "1e", "1e99999999999", "0x10"] {
            assert_eq!(Quantity::parse(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn amounts_are_ordered_as_by_an_independent_parser(
            a in 0_u32..100_000, b in 0_u32..100_000,
            left in prop::sample::select(vec!["", "m", "k", "M", "G", "Ki", "Mi", "Gi"]),
            right in prop::sample::select(vec!["", "m", "k", "M", "G", "Ki", "Mi", "Gi"]),
        ) {
            let (left, right) = (format!("{a}{left}"), format!("{b}{right}"));
            let ours = Quantity::parse(&left).unwrap().cmp(&Quantity::parse(&right).unwrap());
            let parse = |text: &str| kube_quantity::ParsedQuantity::try_from(text).unwrap();
            prop_assert_eq!(Some(ours), parse(&left).partial_cmp(&parse(&right)), "{} and {}", left, right);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[-+]?[0-9.]{0,60}[a-zA-Z0-9]{0,6}") {
            let _ = Quantity::parse(&text);
        }
    }
}
