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
use keyferry_api::item::Attachment as WireAttachment;
use keyferry_core::model::{Attachment, Custom, CustomKind, RecordPath};
use keyferry_core::secret::{SecretBytes, SecretString};
use pyo3::prelude::*;
use std::sync::Arc;

/// The columns of plain records.
pub const PLAIN: [&str; 10] =
    ["name", "login", "password", "url", "description", "tags", "color", "favorite", "customs", ATTACHMENTS];
/// The columns of items.
pub const SEALED: [&str; 11] = [
    "name",
    "login",
    "url",
    "description",
    "tags",
    "color",
    "isFavorite",
    "passwordEncrypted",
    KEY,
    "customs",
    ATTACHMENTS,
];
/// Files: the one column that is made only of a table that has it.
pub const ATTACHMENTS: &str = "attachments";
/// An item's record key, which no plain record has.
const KEY: &str = "keyEncrypted";
/// Where an item that could not be read says why.
pub const ERROR: &str = "error";

/// What a custom field is made of.
const CUSTOM: [&str; 3] = ["name", "type", "value"];
/// What a file is made of, whose content is `data`, and one that is sealed.
const FILE: [&str; 2] = ["name", DATA];
const SEALED_FILE: [&str; 4] = ["name", "encryptedKey", "encryptedData", "hash"];
const DATA: &str = "data";

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
            let kind = Kind::of(name, known);
            let column = kind.read(column).ok_or_else(|| kind.refused(name, column.data_type()))?;
            columns.push((*name, column));
        }
        if columns.is_empty() && batch.num_rows() > 0 {
            return Err(usage("the table has none of the columns that records have"));
        }
        Ok(Self(columns))
    }

    /// Whether columns of these types can be read, before there is a cell of them: a column of an engine's table has its type
    /// also where it holds nothing.
    ///
    /// # Errors
    /// A column of another type than records have there, or no column of theirs.
    pub fn check(schema: &Schema, known: &[&'static str]) -> PyResult<()> {
        let mut found = false;
        for field in schema.fields() {
            let Some(name) = known.iter().find(|name| *name == field.name()) else { continue };
            let kind = Kind::of(name, known);
            if !kind.fits(field.data_type()) {
                return Err(kind.refused(name, field.data_type()));
            }
            found = true;
        }
        if found { Ok(()) } else { Err(usage("the table has none of the columns that records have")) }
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

    /// The members of the structs of a row's list.
    fn structs<T>(&self, name: &str, row: usize, each: impl Fn(&Struct<'_>, usize) -> T) -> Vec<T> {
        let Some(structs) = self.list(name, row) else { return Vec::new() };
        let Some(structs) = structs.as_struct_opt() else { return Vec::new() };
        let rows = (0..structs.len()).filter(|at| structs.is_valid(*at));
        rows.map(|at| each(&Struct(structs), at)).collect()
    }

    /// The custom fields of a row.
    pub fn customs(&self, row: usize) -> Vec<Custom> {
        self.structs("customs", row, |custom, at| Custom {
            name: custom.text("name", at).unwrap_or_default().to_owned(),
            kind: CustomKind::from(custom.text("type", at).unwrap_or("text")),
            value: SecretString::from(custom.text("value", at).unwrap_or_default()),
        })
    }

    /// The files of a row.
    pub fn attachments(&self, row: usize) -> Vec<Attachment> {
        self.structs(ATTACHMENTS, row, |file, at| Attachment {
            name: file.text("name", at).unwrap_or_default().to_owned(),
            content: SecretBytes::new(file.bytes(DATA, at).unwrap_or_default().to_vec()),
        })
    }

    /// The sealed files of a row.
    pub fn sealed_attachments(&self, row: usize) -> Vec<WireAttachment> {
        self.structs(ATTACHMENTS, row, |file, at| {
            let text = |name| file.text(name, at).unwrap_or_default().to_owned();
            WireAttachment {
                id: None,
                name: text("name"),
                encrypted_key: text("encryptedKey"),
                encrypted_data: text("encryptedData"),
                hash: text("hash"),
            }
        })
    }
}

/// The structs of one list.
struct Struct<'a>(&'a StructArray);

impl Struct<'_> {
    fn text(&self, name: &str, at: usize) -> Option<&str> {
        let column = self.0.column_by_name(name)?.as_string_opt::<i32>()?;
        column.is_valid(at).then(|| column.value(at))
    }

    fn bytes(&self, name: &str, at: usize) -> Option<&[u8]> {
        let column = self.0.column_by_name(name)?.as_binary_opt::<i32>()?;
        column.is_valid(at).then(|| column.value(at))
    }
}

/// What a column's cells are, and the one type that they are read in.
enum Kind {
    Text,
    Number,
    Flag,
    Texts,
    /// Lists of structs with these members.
    Structs(&'static [&'static str]),
}

impl Kind {
    fn of(name: &str, known: &[&str]) -> Self {
        match name {
            "tags" => Self::Texts,
            "customs" => Self::Structs(&CUSTOM),
            ATTACHMENTS if known.contains(&KEY) => Self::Structs(&SEALED_FILE),
            ATTACHMENTS => Self::Structs(&FILE),
            "color" => Self::Number,
            "favorite" | "isFavorite" => Self::Flag,
            _ => Self::Text,
        }
    }

    fn read(&self, column: &ArrayRef) -> Option<ArrayRef> {
        match self {
            Self::Text => cast_if(column, is_text, &DataType::Utf8),
            Self::Flag => cast_if(column, |of| *of == DataType::Boolean, &DataType::Boolean),
            Self::Number => whole_numbers(column),
            Self::Texts => tags(column),
            Self::Structs(members) => structs(column, members),
        }
    }

    /// Whether columns of a type can be read, whatever they hold. Whether floating numbers are whole ones shows in their cells.
    fn fits(&self, of: &DataType) -> bool {
        // What holds nothing yet may have no type yet.
        if *of == DataType::Null || matches!(of, DataType::Dictionary(_, of) if **of == DataType::Null) {
            return true;
        }
        let is_null = |of: &DataType| *of == DataType::Null;
        match self {
            Self::Text => is_text(of),
            Self::Flag => *of == DataType::Boolean,
            Self::Number => of.is_numeric(),
            Self::Texts => values_of(of).is_some_and(|of| is_null(of) || is_text(of)),
            Self::Structs(members) => values_of(of).is_some_and(|of| match of {
                DataType::Struct(fields) => {
                    let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
                    are_known(&names, members)
                        && fields.iter().all(|field| {
                            let of = field.data_type();
                            is_null(of) || if field.name() == DATA { is_bytes(of) } else { is_text(of) }
                        })
                }
                of => is_null(of),
            }),
        }
    }

    fn refused(&self, name: &str, of: &DataType) -> PyErr {
        let wanted = match self {
            Self::Text => "texts".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Number => "whole numbers".to_owned(),
            Self::Texts => "lists of texts".to_owned(),
            Self::Structs(members) => {
                let bytes = if members.contains(&DATA) { ", data of bytes" } else { "" };
                format!("lists of structs with {}, each a text{bytes}", members.join(", "))
            }
        };
        usage(format!("column {name} holds {of} instead of {wanted}"))
    }
}

/// The members of a custom field, of a file and of a sealed one, by their types.
pub fn custom_fields() -> Fields {
    fields_of(&CUSTOM)
}

/// Those of a file.
pub fn file_fields() -> Fields {
    fields_of(&FILE)
}

/// Those of a sealed file.
pub fn sealed_file_fields() -> Fields {
    fields_of(&SEALED_FILE)
}

fn fields_of(members: &[&str]) -> Fields {
    members.iter().map(|name| Field::new(*name, type_of(name), true)).collect::<Vec<_>>().into()
}

fn type_of(member: &str) -> DataType {
    if member == DATA { DataType::Binary } else { DataType::Utf8 }
}

/// Whether these are members, none of them twice.
fn are_known(names: &[&str], members: &[&str]) -> bool {
    names.iter().enumerate().all(|(at, name)| members.contains(name) && !names[..at].contains(name))
}

fn is_bytes(of: &DataType) -> bool {
    matches!(
        of,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_)
    )
}

/// A column of texts, where there is one.
///
/// # Errors
/// A column of another type.
pub fn texts_of(batch: &RecordBatch, name: &str) -> PyResult<Option<StringArray>> {
    let Some(column) = batch.column_by_name(name) else { return Ok(None) };
    let read = Kind::Text.read(column).ok_or_else(|| Kind::Text.refused(name, column.data_type()))?;
    Ok(read.as_string_opt::<i32>().cloned())
}

/// The folders that rows stand in.
pub enum Paths {
    /// Nowhere below their vault.
    None,
    /// As people type them.
    Typed(StringArray),
    /// Names.
    Names(Columns),
}

/// Those of the column `path`: texts such as `a/b`, or lists of names.
///
/// # Errors
/// A column of another type.
pub fn path_names(batch: &RecordBatch) -> PyResult<Paths> {
    let Some(column) = batch.column_by_name("path") else { return Ok(Paths::None) };
    if let Some(names) = Kind::Texts.read(column) {
        return Ok(Paths::Names(Columns(vec![("tags", names)])));
    }
    Ok(texts_of(batch, "path")?.map_or(Paths::None, Paths::Typed))
}

impl Paths {
    /// The folders of a row, from the top down.
    pub fn of(&self, row: usize) -> Vec<String> {
        match self {
            Self::Typed(paths) if paths.is_valid(row) => RecordPath::names(paths.value(row)),
            Self::Typed(_) | Self::None => Vec::new(),
            Self::Names(names) => names.tags(row),
        }
    }
}

/// The ids of keys that rows name: texts, or whole numbers as texts.
///
/// # Errors
/// No such column, or one of another type.
pub fn key_ids(batch: &RecordBatch, column: &str) -> PyResult<ArrayRef> {
    let at = batch.schema().index_of(column);
    let at = at.map_err(|_| usage(format!("key_column names {column}, and the table has no such column")))?;
    check_key_column(batch.schema().field(at))?;
    let held = batch.column(at);
    let of = |of: &DataType| is_text(of) || of.is_integer();
    cast_if(held, of, &DataType::Utf8)
        .ok_or_else(|| usage(format!("column {column} holds {} instead of texts", held.data_type())))
}

/// # Errors
/// A column that cannot name keys.
pub fn check_key_column(field: &Field) -> PyResult<()> {
    let (name, of) = (field.name(), field.data_type());
    if PLAIN.contains(&name.as_str()) || SEALED.contains(&name.as_str()) || name == ERROR {
        return Err(usage(format!("key_column names {name}, which is a column of records itself")));
    }
    if !(is_text(of) || of.is_integer() || *of == DataType::Null) {
        return Err(usage(format!("column {name} holds {of} instead of texts that name keys")));
    }
    Ok(())
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
fn structs(column: &ArrayRef, members: &'static [&'static str]) -> Option<ArrayRef> {
    let fields = fields_of(members);
    if column.null_count() == column.len() {
        return cast_if(column, |_| false, &DataType::new_list(DataType::Struct(fields), true));
    }
    of_values(as_list(column)?, |values| {
        if values.is_empty() || *values.data_type() == DataType::Null {
            return Some(new_null_array(&DataType::Struct(fields), values.len()));
        }
        let structs = values.as_struct_opt()?;
        let names: Vec<&str> = structs.fields().iter().map(|field| field.name().as_str()).collect();
        if !are_known(&names, members) {
            return None;
        }
        let mut columns = Vec::with_capacity(members.len());
        for name in members {
            let (fits, wanted): (fn(&DataType) -> bool, _) =
                if *name == DATA { (is_bytes, DataType::Binary) } else { (is_text, DataType::Utf8) };
            columns.push(match structs.column_by_name(name) {
                Some(member) => cast_if(member, fits, &wanted)?,
                None => new_null_array(&wanted, structs.len()),
            });
        }
        Some(Arc::new(StructArray::try_new(fields, columns, structs.nulls().cloned()).ok()?))
    })
}
