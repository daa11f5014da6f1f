//! Environment variables.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::job::JobError;

/// An environment variable. Its value does not show in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    name: String,
    value: String,
    masked: bool,
    file: bool,
}

impl Variable {
    /// A variable by name and value.
    ///
    /// # Errors
    /// [`JobError::Variable`] when the name is empty, has `=`, white space or control characters
    /// in it, or the value has NUL in it.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Result<Self, JobError> {
        let (name, value) = (name.into(), value.into());
        let problem = if name.is_empty() {
            Some("its name is empty")
        } else if name.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control()) {
            Some("its name has `=`, white space or a control character in it")
        } else if value.contains('\0') {
            Some("its value has NUL in it")
        } else {
            None
        };
        match problem {
            Some(problem) => Err(JobError::Variable { name, problem }),
            None => Ok(Self { name, value, masked: false, file: false }),
        }
    }

    /// Reads `NAME=value`.
    ///
    /// # Errors
    /// [`JobError::Variable`], as for [`Variable::new`], or when there is no `=`. The value is not
    /// part of the error: it may be a secret.
    pub fn parse(text: &str) -> Result<Self, JobError> {
        match text.split_once('=') {
            Some((name, value)) => Self::new(name, value),
            None => Err(JobError::Variable {
                name: text.to_owned(),
                problem: if text.is_empty() { "it is empty" } else { "it has no `=`" },
            }),
        }
    }

    /// The variable as a secret: its value is replaced in logs, reaches a shell by its standard
    /// input alone, and is given to no service. A program that runs without a shell has it in its
    /// container's environment, where whoever may speak to the engine can read it.
    pub fn masked(mut self) -> Self {
        self.masked = true;
        self
    }

    /// The variable as a file: the value is written to a file in the container, and the variable
    /// holds its path.
    pub fn file(mut self) -> Self {
        self.file = true;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether it is a secret.
    pub fn is_masked(&self) -> bool {
        self.masked
    }

    /// Whether its value is written to a file.
    pub fn is_file(&self) -> bool {
        self.file
    }
}

impl fmt::Debug for Variable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Variable({}=…)", self.name)
    }
}

/// Variables as a table of names: `NAME = "value"`, or
/// `NAME = { value = "…", masked = true, file = true }`.
pub(crate) mod table {
    use std::collections::BTreeMap;

    use serde::{Deserializer, Serializer, de::Error as _, ser::SerializeMap as _};

    use super::{Deserialize, FullVariable, Variable, Written};

    pub(crate) fn serialize<S: Serializer>(
        variables: &[Variable],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut table = serializer.serialize_map(Some(variables.len()))?;
        for variable in variables {
            let value = variable.value.clone();
            let written = if variable.masked || variable.file {
                Written::Full(FullVariable { value, masked: variable.masked, file: variable.file })
            } else {
                Written::Value(value)
            };
            table.serialize_entry(&variable.name, &written)?;
        }
        table.end()
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Variable>, D::Error> {
        let table = BTreeMap::<String, Written>::deserialize(deserializer)?;
        let read = table.into_iter().map(|(name, written)| written.variable(name));
        read.collect::<Result<_, _>>().map_err(D::Error::custom)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a text, or a table with value, masked and file")]
enum Written {
    Value(String),
    Full(FullVariable),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FullVariable {
    value: String,
    #[serde(default)]
    masked: bool,
    #[serde(default)]
    file: bool,
}

impl Written {
    fn variable(self, name: String) -> Result<Variable, JobError> {
        match self {
            Self::Value(value) => Variable::new(name, value),
            Self::Full(full) => {
                let mut variable = Variable::new(name, full.value)?;
                (variable.masked, variable.file) = (full.masked, full.file);
                Ok(variable)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_name_and_value() {
        let variable = Variable::parse("A=b=c").unwrap();
        assert_eq!((variable.name(), variable.value()), ("A", "b=c"));
        assert_eq!(Variable::parse("A=").unwrap().value(), "");
        for malformed in ["", "A", "=b", "A B=c", "A\n=c", "A=\0"] {
            assert!(
                matches!(Variable::parse(malformed), Err(JobError::Variable { .. })),
                "{malformed:?}"
            );
        }
    }

    #[test]
    fn a_variables_value_does_not_show() {
        assert!(!format!("{:?}", Variable::parse("TOKEN=s3cret").unwrap()).contains("s3cret"));
    }
}
