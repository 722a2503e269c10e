//! The columns of an Arrow table that records are read from: which may stand there, and of what types.
//!
//! Nothing is guessed here. A column that no record has would go through beside the sealed ones, in the clear, so it is
//! refused unless the caller names it in `keep`. A number where a text belongs would have lost its leading zeros before it
//! came, and a cast makes null of a cell that it cannot read, so types are taken as they are or refused. Messages name
//! columns and types, never a cell: Arrow's own words would repeat its value.

use crate::error::usage;
use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use arrow_array::{Array as _, ArrayRef, ListArray, RecordBatch, StringArray, StructArray, new_null_array};
use arrow_cast::CastOptions;
use arrow_schema::{DataType, Field, Fields, Schema};
use keyferry_core::model::{Custom, CustomKind};
use keyferry_core::secret::SecretString;
use pyo3::prelude::*;
use std::sync::Arc;

/// The columns of plain records.
pub const PLAIN: [&str; 9] =
    ["name", "login", "password", "url", "description", "tags", "color", "favorite", "customs"];
/// The columns of items.
pub const SEALED: [&str; 10] = [
    "name",
    "login",
    "url",
    "description",
    "tags",
    "color",
    "isFavorite",
    "passwordEncrypted",
    "keyEncrypted",
    "customs",
];
/// Where an item that could not be read says why.
pub const ERROR: &str = "error";

/// What a custom field is made of.
const CUSTOM: [&str; 3] = ["name", "type", "value"];

/// Which columns go through as they are, beside those that are made of records.
pub enum Kept<'a> {
    /// These, each of which must be there.
    Named(&'a [String]),
    /// Whatever else stands in the table.
    All,
}

impl Kept<'_> {
    /// The columns that go through, by their place.
    ///
    /// # Errors
    /// A column twice, one that is neither a record's nor kept, one that is kept and not there, or one whose name the table
    /// that is made needs for its own.
    pub fn of(&self, schema: &Schema, used: &[&str], made: &[&str]) -> PyResult<Vec<usize>> {
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        if let Some((_, twice)) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            return Err(usage(format!("the table has two columns {twice}: only one would be read")));
        }
        let mut kept = Vec::new();
        if let Kept::Named(wanted) = self {
            for name in *wanted {
                if used.contains(&name.as_str()) || made.contains(&name.as_str()) {
                    return Err(usage(format!("keep names {name}, which is a column of records itself")));
                }
                if !names.contains(&name.as_str()) {
                    return Err(usage(format!("keep names {name}, and the table has no such column")));
                }
            }
        }
        let mut unknown = Vec::new();
        for (at, name) in names.iter().enumerate().filter(|(_, name)| !used.contains(name)) {
            match self {
                Kept::Named(wanted) if !wanted.iter().any(|one| one == name) => unknown.push(*name),
                Kept::All if made.contains(name) => {
                    return Err(usage(format!(
                        "the table has a column {name} already: drop it or rename it"
                    )));
                }
                _ => kept.push(at),
            }
        }
        if !unknown.is_empty() {
            return Err(usage(format!(
                "no record has what these columns are called, and they would go through in the clear: {}; the columns of \
                 records are {}; rename or drop the others, or name in keep what is no secret",
                unknown.join(", "),
                used.join(", ")
            )));
        }
        Ok(kept)
    }
}

/// The columns of a batch that are known here, each in one canonical type.
pub struct Columns(Vec<(&'static str, ArrayRef)>);

impl Columns {
    /// # Errors
    /// A column of another type than records have there, or a table without any column of theirs.
    pub fn new(batch: &RecordBatch, known: &[&'static str]) -> PyResult<Self> {
        let mut columns = Vec::new();
        for name in known {
            let Some(column) = batch.column_by_name(name) else { continue };
            let read = match *name {
                "tags" => tags(column),
                "customs" => customs(column),
                "color" => whole_numbers(column),
                "favorite" | "isFavorite" => {
                    cast_if(column, |of| *of == DataType::Boolean, &DataType::Boolean)
                }
                _ => cast_if(column, is_text, &DataType::Utf8),
            };
            let wanted = match *name {
                "tags" => "lists of texts",
                "customs" => "lists of structs with name, type and value, each a text",
                "color" => "whole numbers",
                "favorite" | "isFavorite" => "true or false",
                _ => "texts",
            };
            let column = read.ok_or_else(|| {
                usage(format!("column {name} holds {} instead of {wanted}", column.data_type()))
            })?;
            columns.push((*name, column));
        }
        if columns.is_empty() && batch.num_rows() > 0 {
            return Err(usage("the table has none of the columns that records have"));
        }
        Ok(Self(columns))
    }

    fn cell(&self, name: &str, row: usize) -> Option<&ArrayRef> {
        let (_, column) = self.0.iter().find(|(known, _)| *known == name)?;
        Some(column).filter(|column| column.is_valid(row))
    }

    /// A text, where there is one.
    pub fn optional(&self, name: &str, row: usize) -> Option<&str> {
        self.cell(name, row)?.as_string_opt::<i32>().map(|column| column.value(row))
    }

    /// A text; nothing is an empty one.
    pub fn text(&self, name: &str, row: usize) -> String {
        self.optional(name, row).unwrap_or_default().to_owned()
    }

    /// A whole number, where there is one.
    pub fn number(&self, name: &str, row: usize) -> Option<i64> {
        self.cell(name, row)?.as_primitive_opt::<Int64Type>().map(|column| column.value(row))
    }

    /// Whether a mark is set; nothing is not.
    pub fn is_set(&self, name: &str, row: usize) -> bool {
        let column = self.cell(name, row).and_then(|column| column.as_boolean_opt());
        column.is_some_and(|column| column.value(row))
    }

    fn list(&self, name: &str, row: usize) -> Option<ArrayRef> {
        self.cell(name, row)?.as_list_opt::<i32>().map(|column| column.value(row))
    }

    /// The tags of a row.
    pub fn tags(&self, row: usize) -> Vec<String> {
        let Some(tags) = self.list("tags", row) else { return Vec::new() };
        let Some(tags) = tags.as_string_opt::<i32>() else { return Vec::new() };
        tags.iter().flatten().map(str::to_owned).collect()
    }

    /// The custom fields of a row.
    pub fn customs(&self, row: usize) -> Vec<Custom> {
        let Some(customs) = self.list("customs", row) else { return Vec::new() };
        let Some(customs) = customs.as_struct_opt() else { return Vec::new() };
        let column =
            |name: &str| customs.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
        let (names, kinds, values) = (column("name"), column("type"), column("value"));
        let text = |column: Option<&StringArray>, at: usize| {
            column.filter(|column| column.is_valid(at)).map(|column| column.value(at).to_owned())
        };
        let custom = |at| Custom {
            name: text(names, at).unwrap_or_default(),
            kind: CustomKind::from(text(kinds, at).as_deref().unwrap_or("text")),
            value: SecretString::new(text(values, at).unwrap_or_default()),
        };
        (0..customs.len()).filter(|at| customs.is_valid(*at)).map(custom).collect()
    }
}

/// The members of a custom field, each a text.
pub fn custom_fields() -> Fields {
    CUSTOM.map(|name| Field::new(name, DataType::Utf8, true)).to_vec().into()
}

fn is_text(of: &DataType) -> bool {
    match of {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// A column in another type, if it is of one that loses nothing on the way: a column without any value is of every type.
fn cast_if(column: &ArrayRef, fits: impl Fn(&DataType) -> bool, wanted: &DataType) -> Option<ArrayRef> {
    if column.null_count() == column.len() || *column.data_type() == DataType::Null {
        return Some(new_null_array(wanted, column.len()));
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    fits(column.data_type()).then(|| arrow_cast::cast_with_options(column, wanted, &options).ok()).flatten()
}

/// Whole numbers, also where a library keeps those with gaps between them as floating ones.
fn whole_numbers(column: &ArrayRef) -> Option<ArrayRef> {
    let read = cast_if(column, DataType::is_numeric, &DataType::Int64)?;
    let back = cast_if(&read, DataType::is_numeric, column.data_type())?;
    (column.null_count() == column.len() || *back == **column).then_some(read)
}

/// The type of a list's values.
fn values_of(list: &DataType) -> Option<&DataType> {
    match list {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::ListView(field)
        | DataType::LargeListView(field) => Some(field.data_type()),
        _ => None,
    }
}

/// Any kind of list as the one with short offsets, its values as they were.
fn as_list(column: &ArrayRef) -> Option<ListArray> {
    let values = values_of(column.data_type())?;
    let wanted = DataType::List(Arc::new(Field::new_list_field(values.clone(), true)));
    cast_if(column, |_| true, &wanted)?.as_list_opt::<i32>().cloned()
}

/// The same list of other values.
fn of_values(list: ListArray, values: impl FnOnce(ArrayRef) -> Option<ArrayRef>) -> Option<ArrayRef> {
    let (_, offsets, held, nulls) = list.into_parts();
    let values = values(held)?;
    let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    Some(Arc::new(ListArray::try_new(field, offsets, values, nulls).ok()?))
}

fn tags(column: &ArrayRef) -> Option<ArrayRef> {
    if column.null_count() == column.len() {
        return cast_if(column, |_| false, &DataType::new_list(DataType::Utf8, true));
    }
    of_values(as_list(column)?, |values| cast_if(&values, is_text, &DataType::Utf8))
}

/// By the members' names: a cast would go by their order where the names are not its own.
fn customs(column: &ArrayRef) -> Option<ArrayRef> {
    if column.null_count() == column.len() {
        return cast_if(column, |_| false, &DataType::new_list(DataType::Struct(custom_fields()), true));
    }
    of_values(as_list(column)?, |values| {
        if values.is_empty() || *values.data_type() == DataType::Null {
            return Some(new_null_array(&DataType::Struct(custom_fields()), values.len()));
        }
        let structs = values.as_struct_opt()?;
        let names: Vec<&str> = structs.fields().iter().map(|field| field.name().as_str()).collect();
        let is_known = |(at, name): (usize, &&str)| CUSTOM.contains(name) && !names[..at].contains(name);
        if !names.iter().enumerate().all(is_known) {
            return None;
        }
        let mut members = Vec::with_capacity(CUSTOM.len());
        for name in CUSTOM {
            members.push(match structs.column_by_name(name) {
                Some(member) => cast_if(member, is_text, &DataType::Utf8)?,
                None => new_null_array(&DataType::Utf8, structs.len()),
            });
        }
        Some(Arc::new(StructArray::try_new(custom_fields(), members, structs.nulls().cloned()).ok()?))
    })
}
