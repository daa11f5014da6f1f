//! What Linux gives to a program: a longer variable, or too many of them, and no program in the container
//! can be started. The engine does not say so; it starts the container, and that ends at once.

use crate::job::{JobError, Variable};

/// The longest variable or argument in bytes, with its NUL: `MAX_ARG_STRLEN`, 32 pages of 4 KiB.
const MAX_STRING_BYTES: usize = 131_072;

/// The maximum size of the environment in bytes: three quarters of 8 MiB, independent of the stack limit. Arguments are not counted here.
const MAX_TOTAL_BYTES: usize = 6 << 20;

/// Checks the variables that a program gets. A variable that is a file holds only a path.
pub(super) fn check_variables<'a>(
    variables: impl IntoIterator<Item = &'a Variable>,
) -> Result<(), JobError> {
    let variables = variables.into_iter().filter(|variable| !variable.is_file());
    check_lengths(variables.map(|variable| (variable.name(), variable.value().len())))
}

/// Checks variables by name and length of the value.
pub(super) fn check_lengths<'a>(
    variables: impl IntoIterator<Item = (&'a str, usize)>,
) -> Result<(), JobError> {
    let mut total = 0;
    for (name, length) in variables {
        let bytes = name.len() + length + "=\0".len();
        if bytes > MAX_STRING_BYTES {
            let name = name.to_owned();
            return Err(JobError::LongVariable { name, bytes, limit: MAX_STRING_BYTES });
        }
        // And a pointer to it.
        total += bytes + size_of::<u64>();
    }
    if total > MAX_TOTAL_BYTES {
        return Err(JobError::LongEnvironment { bytes: total, limit: MAX_TOTAL_BYTES });
    }
    Ok(())
}

/// Checks a program's words.
pub(super) fn check_arguments(words: &[String]) -> Result<(), JobError> {
    let longest = words.iter().map(|word| word.len() + 1).max().unwrap_or_default();
    if longest > MAX_STRING_BYTES {
        return Err(JobError::LongArgument { bytes: longest, limit: MAX_STRING_BYTES });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_has_128_kib_with_its_name_and_nul() {
        // Measured: with one byte more no program starts.
        let variable = |length| Variable::new("BIG", "x".repeat(length)).unwrap();
        assert!(check_variables(&[variable(131_067)]).is_ok());
        let error = check_variables(&[variable(131_068).masked()]).unwrap_err();
        let expected =
            "the variable BIG has 131073 bytes with its name, and a program can be given 131072";
        assert_eq!(error.to_string(), expected);
        assert!(check_variables(&[variable(1 << 20).file()]).is_ok());
    }

    #[test]
    fn all_variables_together_have_a_limit() {
        let variables = |count| vec![("A", 131_000); count];
        assert!(check_lengths(variables(47)).is_ok());
        assert!(matches!(
            check_lengths(variables(49)).unwrap_err(),
            JobError::LongEnvironment { limit: 6_291_456, .. }
        ));
    }

    #[test]
    fn an_argument_has_a_limit() {
        let words = |length| ["true".to_owned(), "x".repeat(length)];
        assert!(check_arguments(&words(131_071)).is_ok());
        assert!(matches!(
            check_arguments(&words(131_072)).unwrap_err(),
            JobError::LongArgument { bytes: 131_073, .. }
        ));
    }
}
