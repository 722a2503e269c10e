//! Values as PostgreSQL sends and takes them.

use super::error::{DatabaseError, Result};
use bytes::{BufMut as _, BytesMut};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use std::error::Error;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type};

type Boxed = Box<dyn Error + Sync + Send>;

/// A parameter's value. The statement says as what it is sent: the same number may be asked for as a truth.
pub(super) struct Given<'a>(pub ToSqlOutput<'a>);

impl std::fmt::Debug for Given<'_> {
    /// Without the value: tokio-postgres writes the parameters of each statement into its log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Given(..)")
    }
}

impl Given<'_> {
    fn value(&self) -> ValueRef<'_> {
        match &self.0 {
            ToSqlOutput::Borrowed(value) => *value,
            ToSqlOutput::Owned(value) => borrowed(value),
            _ => ValueRef::Null,
        }
    }
}

fn borrowed(value: &Value) -> ValueRef<'_> {
    ValueRef::from(value)
}

impl ToSql for Given<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> std::result::Result<IsNull, Boxed> {
        match (self.value(), kind) {
            (ValueRef::Null, _) => return Ok(IsNull::Yes),
            (ValueRef::Integer(number), &Type::INT8) => out.put_i64(number),
            (ValueRef::Integer(number), &Type::INT4) => out.put_i32(i32::try_from(number)?),
            (ValueRef::Integer(number), &Type::BOOL) => out.put_u8(u8::from(number != 0)),
            (ValueRef::Text(text), &Type::TEXT | &Type::VARCHAR | &Type::JSON | &Type::UNKNOWN) => {
                out.put_slice(text);
            }
            (ValueRef::Blob(bytes), &Type::BYTEA) => out.put_slice(bytes),
            (value, kind) => return Err(format!("{} is no {kind}", value.data_type()).into()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_kind: &Type) -> bool {
        true
    }

    tokio_postgres::types::to_sql_checked!();
}

/// A column's value.
struct Found<'a>(ValueRef<'a>);

impl<'a> FromSql<'a> for Found<'a> {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> std::result::Result<Self, Boxed> {
        let number = |number: i64| Ok(Self(ValueRef::Integer(number)));
        match *kind {
            Type::INT8 => number(i64::from_be_bytes(raw.try_into()?)),
            Type::INT4 => number(i32::from_be_bytes(raw.try_into()?).into()),
            Type::BOOL => number((raw != [0]).into()),
            Type::TEXT | Type::VARCHAR | Type::JSON => Ok(Self(ValueRef::Text(raw))),
            Type::BYTEA => Ok(Self(ValueRef::Blob(raw))),
            _ => Err(format!("a column is of type {kind}").into()),
        }
    }

    fn from_sql_null(_kind: &Type) -> std::result::Result<Self, Boxed> {
        Ok(Self(ValueRef::Null))
    }

    fn accepts(_kind: &Type) -> bool {
        true
    }
}

/// The value in a column of a row.
pub(super) fn at(row: &Row, index: usize) -> Result<ValueRef<'_>> {
    row.try_get::<_, Found<'_>>(index).map(|found| found.0).map_err(DatabaseError::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_logged_of_a_parameter_is_not_its_value() {
        let given = Given(ToSqlOutput::Borrowed(ValueRef::Text(b"planted")));
        assert_eq!(format!("{given:?}"), "Given(..)");
    }
}
