//! Sizes in bytes and shares of processors.

use super::text::Problem;

const SIZE: &str = "a size such as 512m, 1.5gb or plain bytes";
const CPUS: &str = "a number of processors such as \"0.5\" or \"1/2\"";

/// Digits with a fraction: the number without its point, and how many digits follow it.
fn decimal(text: &str) -> Option<(u128, u32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let has_point = text.contains('.');
    if whole.is_empty()
        || (has_point && fraction.is_empty())
        || !is_digits(whole)
        || !is_digits(fraction)
    {
        return None;
    }
    // Billionths are the smallest part that counts.
    let fraction = fraction.get(..9).unwrap_or(fraction);
    // More digits than a u128 has overflow any engine: the largest that fits stands for them.
    let digits = format!("{whole}{fraction}").parse().unwrap_or(u128::MAX);
    Some((digits, u32::try_from(fraction.len()).ok()?))
}

/// Bytes, as Docker reads them (`go-units`): units of 1,024, `b`, `k`, `m`, `g`, `t` or `p`, in any
/// case, with `b` or `ib` after them, and one space before them, if any. Parts of a byte are dropped.
pub(super) fn bytes(text: &str) -> Result<u64, Problem> {
    if text.starts_with('-') {
        return Err(Problem::new("is negative", SIZE));
    }
    let malformed = || Problem::new("is no size", SIZE);
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (digits, scale) = decimal(number).ok_or_else(malformed)?;
    let unit = match unit.strip_prefix(' ') {
        Some("") => return Err(malformed()),
        Some(unit) => unit.to_ascii_lowercase(),
        None => unit.to_ascii_lowercase(),
    };
    let mut letters = unit.chars();
    let power = match letters.next() {
        None => 0,
        Some('b') if unit == "b" => 0,
        Some(letter) if matches!(letters.as_str(), "" | "b" | "ib") => {
            u32::try_from("kmgtp".find(letter).ok_or_else(malformed)?).unwrap_or(0) + 1
        }
        Some(_) => return Err(malformed()),
    };
    let exact = digits.saturating_mul(1024_u128.pow(power)) / 10_u128.pow(scale);
    // The engine counts in 64 bits with a sign.
    match i64::try_from(exact).ok().and_then(|size| u64::try_from(size).ok()) {
        Some(size) => Ok(size),
        None => Err(Problem::new("is more than an engine can count", SIZE)),
    }
}

/// Memory and swap together: a size, or -1 for no limit.
pub(super) fn swap(text: &str) -> Result<i64, Problem> {
    if text == "-1" {
        return Ok(-1);
    }
    let size = bytes(text)?;
    i64::try_from(size).map_err(|_| Problem::new("is more than an engine can count", SIZE))
}

/// Billionths of a processor, from a decimal or a fraction. Smaller parts are dropped.
pub(super) fn nano_cpus(text: &str) -> Result<u64, Problem> {
    const NANO: u128 = 1_000_000_000;
    let malformed = || Problem::new("is no number of processors", CPUS);
    let exact = if let Some((part, whole)) = text.split_once('/') {
        let (part, whole) = (decimal(part), decimal(whole));
        match (part, whole) {
            (Some((part, 0)), Some((whole, 0))) if whole > 0 => part.saturating_mul(NANO) / whole,
            _ => return Err(malformed()),
        }
    } else {
        let (digits, scale) = decimal(text).ok_or_else(malformed)?;
        digits.saturating_mul(NANO) / 10_u128.pow(scale)
    };
    match i64::try_from(exact).ok().and_then(|nano| u64::try_from(nano).ok()) {
        Some(nano) => Ok(nano),
        None => Err(Problem::new("is more than an engine can count", CPUS)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read_as_docker_reads_them() {
        for (text, expected) in [
            ("0", 0),
            ("32", 32),
            ("32b", 32),
            ("32B", 32),
            ("32k", 32 << 10),
            ("32K", 32 << 10),
            ("32kb", 32 << 10),
            ("32Kb", 32 << 10),
            ("32KiB", 32 << 10),
            ("512m", 512 << 20),
            ("32Mib", 32 << 20),
            ("1g", 1 << 30),
            ("1.5gb", 3 << 29),
            ("1.5 GiB", 3 << 29),
            ("32 k", 32 << 10),
            ("2t", 2 << 40),
            ("1p", 1 << 50),
            ("0.5k", 512),
            ("1.3b", 1),
            ("1.00000000099999999999999999999999999999999", 1),
            ("9223372036854775807", i64::MAX.unsigned_abs()),
            ("8191p", 8191 << 50),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "12x",
            "hello",
            "-1",
            "-512m",
            "+1",
            ".5m",
            "1.m",
            "1..2m",
            "1.2.3m",
            "32bb",
            "32kk",
            "32kib2",
            "32  k",
            " 32",
            "32 ",
            "32 b b",
            "1e3",
            "inf",
            "0x10",
            "32ib",
            "32bi",
            "32mbib",
            "١٢",
            "9223372036854775808",
            "8192p",
            "99999999999999999999",
            "9999999999999999999999999999999999999999999999999999p",
            "1\u{a0}k",
            "1_000",
        ] {
            assert!(bytes(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn swap_may_be_without_limit() {
        assert_eq!(swap("-1"), Ok(-1));
        assert_eq!(swap("1g"), Ok(1 << 30));
        assert!(swap("-2").is_err());
    }

    #[test]
    fn processors_are_decimals_or_fractions() {
        for (text, expected) in [
            ("1", 1_000_000_000),
            ("0.5", 500_000_000),
            ("1/2", 500_000_000),
            ("1/3", 333_333_333),
            ("2.25", 2_250_000_000),
            ("0.000000001", 1),
            ("0", 0),
        ] {
            assert_eq!(nano_cpus(text), Ok(expected), "{text}");
        }
        for text in ["", "-1", "1/0", "1/", "/2", "1/2/3", "0.5/2", "two", "1e2", "9999999999999"] {
            assert!(nano_cpus(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[0-9.kKmMgGtTpPiIbB/ -]{0,40}|\\PC{0,40}") {
            let _ = (bytes(&text), swap(&text), nano_cpus(&text));
        }
    }
}
