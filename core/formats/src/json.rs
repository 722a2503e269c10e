//! A small JSON reader (RFC 8259) for documents that hold secrets.
//!
//! Ours because three things matter here that general readers give up: numbers keep their
//! text, members keep their order and their duplicates (so that these can be named), and
//! strings land in memory that is wiped. Depth is limited; string length is not, since an
//! attachment is one string.
//!
//! One grammar makes three things of a document: a [`Value`], which owns its texts; a [`Borrowed`], whose texts are slices of
//! the document where nothing in them is escaped, for readers that look at one value after the other; and a count.

use keyferry_crypto::secret::{SecretBytes, SecretString};
use std::borrow::Cow;
use std::collections::HashSet;
use std::marker::PhantomData;
use zeroize::{Zeroize as _, Zeroizing};

/// Nesting beyond this is refused: no real file needs it, and the stack is finite.
pub(super) const MAX_DEPTH: usize = 128;
/// What is said of it.
pub(super) const TOO_DEEP: &str = "nested more than 128 deep";

/// A JSON value, whose names and numbers are `N` and whose texts are `T`.
pub(super) enum Json<N, T> {
    Null,
    Bool(bool),
    /// The number's own text: digits beyond a float's reach survive.
    Number(N),
    Text(T),
    List(Vec<Json<N, T>>),
    Object(Vec<(N, Json<N, T>)>),
}

/// A value that owns its texts.
pub(super) type Value = Json<String, Zeroizing<String>>;

/// An object's members in order, duplicates included.
pub(super) type Members = Vec<(String, Value)>;

/// A value whose texts stand in the document.
pub(super) type Borrowed<'a> = Json<Cow<'a, str>, Text<'a>>;

/// The text of a name or of a value.
pub(super) trait Word: From<String> {
    fn as_str(&self) -> &str;

    /// The text as one of its own: moved where it is one, copied out of the document otherwise.
    fn into_string(self) -> String;
}

impl Word for String {
    fn as_str(&self) -> &str {
        self
    }

    fn into_string(self) -> String {
        self
    }
}

impl Word for Zeroizing<String> {
    fn as_str(&self) -> &str {
        self
    }

    fn into_string(mut self) -> String {
        std::mem::take(&mut *self)
    }
}

impl Word for Cow<'_, str> {
    fn as_str(&self) -> &str {
        self
    }

    fn into_string(self) -> String {
        self.into_owned()
    }
}

/// A text that may be secret: a slice of the document, which whoever holds it wipes, or one of its own, which is wiped here.
pub(super) struct Text<'a>(Cow<'a, str>);

impl Drop for Text<'_> {
    fn drop(&mut self) {
        if let Cow::Owned(text) = &mut self.0 {
            text.zeroize();
        }
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl Word for Text<'_> {
    fn as_str(&self) -> &str {
        &self.0
    }

    fn into_string(mut self) -> String {
        std::mem::take(&mut self.0).into_owned()
    }
}

/// A word that can be made of a slice of the document.
pub(super) trait Slice<'a>: Word {
    fn slice(text: &'a str) -> Self;
}

impl Slice<'_> for String {
    fn slice(text: &str) -> Self {
        text.to_owned()
    }
}

impl Slice<'_> for Zeroizing<String> {
    fn slice(text: &str) -> Self {
        Zeroizing::new(text.to_owned())
    }
}

impl<'a> Slice<'a> for Cow<'a, str> {
    fn slice(text: &'a str) -> Self {
        Cow::Borrowed(text)
    }
}

impl<'a> Slice<'a> for Text<'a> {
    fn slice(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(Zeroizing::new(text.to_owned()))
    }
}

/// An object of these members.
pub(super) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

impl<N: Word, T: Word> Json<N, T> {
    /// The text of a string, number or boolean; `None` for the others.
    pub(super) fn into_text(self) -> Option<String> {
        match self {
            Json::Bool(value) => Some(value.to_string()),
            Json::Number(text) => Some(text.into_string()),
            Json::Text(text) => Some(text.into_string()),
            Json::Null | Json::List(_) | Json::Object(_) => None,
        }
    }

    /// The member of that name, where this is an object that has it.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Json::Object(members) => {
                members.iter().find(|(member, _)| member.as_str() == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn any_member(&self, is: impl Fn(&str) -> bool) -> bool {
        matches!(self, Json::Object(members) if members.iter().any(|(name, _)| is(name.as_str())))
    }

    /// How many values stand in it: what is null or an empty text is none.
    pub(super) fn leaves(&self) -> u64 {
        match self {
            Json::Null => 0,
            Json::Text(text) => u64::from(!text.as_str().is_empty()),
            Json::Bool(_) | Json::Number(_) => 1,
            Json::List(list) => list.iter().map(Json::leaves).sum(),
            Json::Object(members) => leaves(members),
        }
    }

    /// Whether nothing stands in it.
    pub(super) fn is_nothing(&self) -> bool {
        match self {
            Json::Null => true,
            Json::Text(text) => text.as_str().is_empty(),
            Json::Bool(_) | Json::Number(_) => false,
            Json::List(list) => list.iter().all(Json::is_nothing),
            Json::Object(members) => members.iter().all(|(_, value)| value.is_nothing()),
        }
    }

    /// A member name that stands twice in one object, here or below.
    pub(super) fn duplicate(&self) -> Option<&str> {
        match self {
            Json::List(list) => list.iter().find_map(Json::duplicate),
            Json::Object(members) => {
                duplicate(members).or_else(|| members.iter().find_map(|(_, value)| value.duplicate()))
            }
            _ => None,
        }
    }
}

/// How many values stand in these members.
pub(super) fn leaves<N: Word, T: Word>(members: &[(N, Json<N, T>)]) -> u64 {
    members.iter().map(|(_, value)| value.leaves()).sum()
}

/// A member's name in a JSON pointer (RFC 6901).
pub(super) fn pointer_part(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A member name that stands twice in this object.
pub(super) fn duplicate<N: Word, T>(members: &[(N, Json<N, T>)]) -> Option<&str> {
    if members.len() > 64 {
        let mut seen = HashSet::new();
        return members.iter().map(|(name, _)| name.as_str()).find(|name| !seen.insert(*name));
    }
    // Names that differ mostly differ in these as well: only the others are compared with those before them.
    let mut seen = 0_u64;
    for (index, (name, _)) in members.iter().enumerate() {
        let name = name.as_str();
        let ends = match name.as_bytes() {
            [first, .., last] => u32::from(*first) ^ u32::from(*last) << 3,
            _ => 0,
        };
        let mark = 1_u64.rotate_left(ends ^ u32::try_from(name.len()).unwrap_or_default() << 1);
        let earlier = members.get(..index).unwrap_or_default();
        if seen & mark != 0 && earlier.iter().any(|(earlier, _)| earlier.as_str() == name) {
            return Some(name);
        }
        seen |= mark;
    }
    None
}

/// Why a text is not JSON, and at which byte.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) why: &'static str,
    pub(super) at: usize,
}

/// Parses the beginning of a document: what the end cuts is closed there, so that its shape can be looked at.
pub(super) fn parse_head(text: &str) -> Result<Value, Broken> {
    Parser::<Owning>::at_end_of(text, true).value(0)
}

/// Parses one whole document.
pub(super) fn parse(text: &str) -> Result<Value, Broken> {
    Parser::<Owning>::of(text).whole()
}

/// Parses one whole document, whose texts stay where they are.
pub(super) fn parse_borrowed(text: &str) -> Result<Borrowed<'_>, Broken> {
    Parser::<Tree<Cow<'_, str>, Text<'_>>>::of(text).whole()
}

/// Parses the value at the start of a text, which stands so deep in its document; gives also where it ends.
pub(super) fn parse_value(text: &str, depth: usize) -> Result<(Value, usize), Broken> {
    let mut parser = Parser::<Owning>::of(text);
    let value = parser.value(depth)?;
    Ok((value, parser.at))
}

/// Parses documents that stand one after the other, as programs print them.
pub(super) fn parse_several(text: &str) -> Result<Vec<Value>, Broken> {
    let mut parser = Parser::<Owning>::of(text);
    let mut all = Vec::new();
    loop {
        all.push(parser.value(0)?);
        parser.space();
        if parser.at >= parser.bytes.len() {
            return Ok(all);
        }
    }
}

/// A value that is left in the text, where it was found to be JSON.
#[derive(Clone, Copy)]
pub(super) struct Span {
    start: usize,
    end: usize,
    /// How many values stand in it.
    pub(super) leaves: u64,
}

impl Span {
    /// All of a text, in which so many values stand.
    pub(super) fn whole(text: &str, leaves: u64) -> Self {
        Self { start: 0, end: text.len(), leaves }
    }

    /// Parses it; `text` is that of the document.
    pub(super) fn parse(self, text: &str) -> Result<Borrowed<'_>, Broken> {
        let Some(text) = text.get(self.start..self.end) else {
            return Err(Broken { why: "unexpected end", at: self.start });
        };
        Parser::<Tree<Cow<'_, str>, Text<'_>>>::of(text).value(0)
    }
}

/// A document of which one long list stays in the text.
pub(super) enum Outline {
    /// The document is a list.
    List(Vec<Span>),
    /// It is an object: its members in their order, and the lists that are called as was asked.
    Object(Vec<(String, Part)>),
    /// It is neither.
    Other,
}

/// A member of an [`Outline`].
pub(super) enum Part {
    List(Vec<Span>),
    Value(Value),
}

/// Reads a document, but leaves in the text what stands in lists of its own that are called `name`, or in it where it is a
/// list itself. All of it is found to be JSON by then.
pub(super) fn outline(text: &str, name: &str) -> Result<Outline, Broken> {
    let mut parser = Parser::<Count>::of(text);
    parser.space();
    let outline = match parser.peek() {
        Some(b'[') => Outline::List(parser.spans(0)?),
        Some(b'{') => Outline::Object(parser.parts(name)?),
        _ => {
            parser.value(0)?;
            Outline::Other
        }
    };
    parser.end()?;
    Ok(outline)
}

/// What is made of a document while it is parsed.
trait Make<'a> {
    type Value;
    type Name;
    /// What stands in a list or an object that is not whole yet.
    type List;
    type Members;
    /// Whether texts are looked at.
    const KEEPS: bool;

    fn null() -> Self::Value;
    fn bool(is: bool) -> Self::Value;
    fn number(text: &'a str) -> Self::Value;
    fn name(text: Quoted<'a>) -> Self::Name;
    fn text(text: Quoted<'a>) -> Self::Value;
    fn list() -> Self::List;
    fn push(list: &mut Self::List, value: Self::Value);
    fn listed(list: Self::List) -> Self::Value;
    /// `depth` is that of the object.
    fn members(depth: usize) -> Self::Members;
    fn put(members: &mut Self::Members, name: Self::Name, value: Self::Value);
    fn object(members: Self::Members) -> Self::Value;
}

/// A string as it was found.
enum Quoted<'a> {
    /// As it stands in the document.
    Plain(&'a str),
    /// Put together, since something was escaped; nothing where texts are not kept.
    Made(Zeroizing<String>),
}

/// Makes a tree.
struct Tree<N, T>(PhantomData<(N, T)>);

/// Makes a tree that owns its texts.
type Owning = Tree<String, Zeroizing<String>>;

impl<'a, N: Slice<'a>, T: Slice<'a>> Make<'a> for Tree<N, T> {
    type Value = Json<N, T>;
    type Name = N;
    type List = Vec<Json<N, T>>;
    type Members = Vec<(N, Json<N, T>)>;
    const KEEPS: bool = true;

    fn null() -> Json<N, T> {
        Json::Null
    }

    fn bool(is: bool) -> Json<N, T> {
        Json::Bool(is)
    }

    fn number(text: &'a str) -> Json<N, T> {
        Json::Number(N::slice(text))
    }

    fn name(text: Quoted<'a>) -> N {
        match text {
            Quoted::Plain(text) => N::slice(text),
            Quoted::Made(text) => N::from(text.into_string()),
        }
    }

    fn text(text: Quoted<'a>) -> Json<N, T> {
        Json::Text(match text {
            Quoted::Plain(text) => T::slice(text),
            Quoted::Made(text) => T::from(text.into_string()),
        })
    }

    fn list() -> Vec<Json<N, T>> {
        Vec::new()
    }

    fn push(list: &mut Vec<Json<N, T>>, value: Json<N, T>) {
        list.push(value);
    }

    fn listed(list: Vec<Json<N, T>>) -> Json<N, T> {
        Json::List(list)
    }

    fn members(depth: usize) -> Vec<(N, Json<N, T>)> {
        // Room for what most records have, and for what most objects in them have.
        Vec::with_capacity(if depth == 0 { 20 } else { 5 })
    }

    fn put(members: &mut Vec<(N, Json<N, T>)>, name: N, value: Json<N, T>) {
        members.push((name, value));
    }

    fn object(members: Vec<(N, Json<N, T>)>) -> Json<N, T> {
        Json::Object(members)
    }
}

/// Counts the values of a document as [`Json::leaves`] does, and keeps nothing of it.
struct Count;

impl<'a> Make<'a> for Count {
    type Value = u64;
    type Name = ();
    type List = u64;
    type Members = u64;
    const KEEPS: bool = false;

    fn null() -> u64 {
        0
    }

    fn bool(_: bool) -> u64 {
        1
    }

    fn number(_: &str) -> u64 {
        1
    }

    fn name(_: Quoted<'a>) {}

    fn text(text: Quoted<'a>) -> u64 {
        match text {
            Quoted::Plain(text) => u64::from(!text.is_empty()),
            // What is escaped is a character.
            Quoted::Made(_) => 1,
        }
    }

    fn list() -> u64 {
        0
    }

    fn push(list: &mut u64, value: u64) {
        *list += value;
    }

    fn listed(list: u64) -> u64 {
        list
    }

    fn members(_: usize) -> u64 {
        0
    }

    fn put(members: &mut u64, (): (), value: u64) {
        *members += value;
    }

    fn object(members: u64) -> u64 {
        members
    }
}

struct Parser<'a, M> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// The end of the text is no error.
    is_cut: bool,
    made: PhantomData<M>,
}

impl<'a, M: Make<'a>> Parser<'a, M> {
    fn of(text: &'a str) -> Self {
        Self::at_end_of(text, false)
    }

    fn at_end_of(text: &'a str, is_cut: bool) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, is_cut, made: PhantomData }
    }

    fn whole(mut self) -> Result<M::Value, Broken> {
        let value = self.value(0)?;
        self.end()?;
        Ok(value)
    }

    /// That nothing follows.
    fn end(&mut self) -> Result<(), Broken> {
        self.space();
        if self.at < self.bytes.len() { Err(self.broken("text after the end")) } else { Ok(()) }
    }

    #[cold]
    fn broken(&self, why: &'static str) -> Broken {
        broken(self.bytes, self.at, why)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Whether the text ends here and may.
    fn cut(&self) -> bool {
        self.is_cut && self.at >= self.bytes.len()
    }

    #[inline]
    fn space(&mut self) {
        if self.bytes.get(self.at).is_some_and(|byte| *byte > b' ') {
            return;
        }
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8, why: &'static str) -> Result<(), Broken> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.broken(why))
        }
    }

    fn word(&mut self, word: &str, value: M::Value) -> Result<M::Value, Broken> {
        if self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            self.at += word.len();
            return Ok(value);
        }
        for byte in word.bytes() {
            if self.cut() {
                return Ok(M::null());
            }
            self.expect(byte, "an unknown word")?;
        }
        Ok(value)
    }

    fn value(&mut self, depth: usize) -> Result<M::Value, Broken> {
        if depth > MAX_DEPTH {
            return Err(self.broken(TOO_DEEP));
        }
        self.space();
        if self.cut() {
            return Ok(M::null());
        }
        match self.peek() {
            Some(b'"') => self.string().map(M::text),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b't') => self.word("true", M::bool(true)),
            Some(b'f') => self.word("false", M::bool(false)),
            Some(b'n') => self.word("null", M::null()),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.broken("a value is missing")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<M::Value, Broken> {
        let mut members = M::members(depth);
        self.each_member(|this, name| {
            let value = this.value(depth + 1)?;
            M::put(&mut members, M::name(name), value);
            Ok(())
        })?;
        Ok(M::object(members))
    }

    /// Walks through an object; `each` takes the value that a name has.
    fn each_member(
        &mut self,
        mut each: impl FnMut(&mut Self, Quoted<'a>) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.space();
            if self.cut() {
                return Ok(());
            }
            if self.peek() != Some(b'"') {
                return Err(self.broken("a member name is missing"));
            }
            let name = self.string()?;
            self.space();
            if self.cut() {
                return Ok(());
            }
            self.expect(b':', "a colon is missing")?;
            each(self, name)?;
            self.space();
            if self.cut() {
                return Ok(());
            }
            if self.peek() == Some(b',') {
                self.at += 1;
            } else {
                return self.expect(b'}', "a comma or closing brace is missing");
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<M::Value, Broken> {
        let mut list = M::list();
        self.each_value(|this| {
            M::push(&mut list, this.value(depth + 1)?);
            Ok(())
        })?;
        Ok(M::listed(list))
    }

    /// Walks through a list; `each` takes a value.
    fn each_value(&mut self, mut each: impl FnMut(&mut Self) -> Result<(), Broken>) -> Result<(), Broken> {
        self.at += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            each(self)?;
            self.space();
            if self.cut() {
                return Ok(());
            }
            if self.peek() == Some(b',') {
                self.at += 1;
            } else {
                return self.expect(b']', "a comma or closing bracket is missing");
            }
        }
    }

    fn digits(&mut self) -> Result<(), Broken> {
        if !self.cut() && !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.broken("a digit is missing"));
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<M::Value, Broken> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(M::number(self.text.get(start..self.at).unwrap_or_default()))
    }

    #[inline]
    fn string(&mut self) -> Result<Quoted<'a>, Broken> {
        let start = self.at + 1;
        let end = plain(self.bytes, start);
        if self.bytes.get(end) == Some(&b'"')
            && let Some(text) = self.text.get(start..end)
        {
            self.at = end + 1;
            return Ok(Quoted::Plain(text));
        }
        self.escaped(start, end)
    }

    /// A string with an escape, or without an end.
    #[inline(never)]
    fn escaped(&mut self, start: usize, mut end: usize) -> Result<Quoted<'a>, Broken> {
        // Find the end first: what has to be put together is then allocated once and leaves no copies behind.
        loop {
            match self.bytes.get(end) {
                None if self.is_cut => {
                    self.at = self.bytes.len();
                    return Ok(Quoted::Plain(self.text.get(start..).unwrap_or_default()));
                }
                None => {
                    self.at = end;
                    return Err(self.broken("unexpected end"));
                }
                Some(b'"') => break,
                Some(b'\\') => end = plain(self.bytes, end + 2),
                Some(_) => {
                    self.at = end;
                    return Err(self.broken("a control character inside a string"));
                }
            }
        }
        self.at = end + 1;
        let mut escapes = Escapes { text: self.text, bytes: self.bytes, at: start, end };
        let mut out = Zeroizing::new(String::with_capacity(if M::KEEPS { end - start } else { 0 }));
        escapes.undo(M::KEEPS.then_some(&mut *out))?;
        Ok(Quoted::Made(out))
    }
}

impl Parser<'_, Count> {
    /// The values of a list, which stands so deep.
    fn spans(&mut self, depth: usize) -> Result<Vec<Span>, Broken> {
        let mut spans = Vec::new();
        self.each_value(|this| {
            this.space();
            let start = this.at;
            let leaves = this.value(depth + 1)?;
            spans.push(Span { start, end: this.at, leaves });
            Ok(())
        })?;
        Ok(spans)
    }

    /// The members of the document.
    fn parts(&mut self, name: &str) -> Result<Vec<(String, Part)>, Broken> {
        let mut parts = Vec::new();
        // Names are kept here, though no other text is.
        let mut names = Parser::<Owning>::of(self.text);
        names.at = self.at;
        names.each_member(|this, member| {
            let member = Owning::name(member);
            this.space();
            let part = if member == name && this.peek() == Some(b'[') {
                let mut inside = Parser::<Count>::of(this.text);
                inside.at = this.at;
                let spans = inside.spans(1)?;
                this.at = inside.at;
                Part::List(spans)
            } else {
                Part::Value(this.value(1)?)
            };
            parts.push((member, part));
            Ok(())
        })?;
        self.at = names.at;
        Ok(parts)
    }
}

#[cold]
fn broken(bytes: &[u8], at: usize, why: &'static str) -> Broken {
    Broken { why: if at >= bytes.len() { "unexpected end" } else { why }, at }
}

/// Where the first byte stands, from `at` on, that is a quote, a backslash or a control character; past the end where there is
/// none. Eight bytes at a time: that is a third of the time that it takes to read a document.
#[inline]
fn plain(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    const QUOTES: u64 = u64::from_le_bytes([b'"'; 8]);
    const BACKSLASHES: u64 = u64::from_le_bytes([b'\\'; 8]);
    const SPACES: u64 = u64::from_le_bytes([b' '; 8]);
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*eight);
        // What is subtracted borrows from above where a byte is less. The lowest byte that is marked is one that is meant;
        // those above it may be marked by its borrow.
        let less = (word ^ QUOTES).wrapping_sub(ONES)
            | (word ^ BACKSLASHES).wrapping_sub(ONES)
            | word.wrapping_sub(SPACES);
        let found = less & !word & HIGH;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while let Some(0x20..=0x21 | 0x23..=0x5b | 0x5d..) = bytes.get(at) {
        at += 1;
    }
    at
}

/// A string in which something is escaped.
struct Escapes<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl Escapes<'_> {
    #[cold]
    fn broken(&self, why: &'static str) -> Broken {
        broken(self.bytes, self.at, why)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Puts the text together, where somebody wants it.
    fn undo(&mut self, mut out: Option<&mut String>) -> Result<(), Broken> {
        while self.at < self.end {
            if self.peek() == Some(b'\\') {
                self.at += 1;
                let c = self.escape()?;
                if let Some(out) = &mut out {
                    out.push(c);
                }
            } else {
                let run = self.at;
                let rest = self.bytes.get(run..self.end).unwrap_or_default();
                self.at += memchr::memchr(b'\\', rest).unwrap_or(rest.len());
                if let Some(out) = &mut out {
                    out.push_str(self.text.get(run..self.at).unwrap_or_default());
                }
            }
        }
        Ok(())
    }

    fn escape(&mut self) -> Result<char, Broken> {
        let byte = self.peek();
        self.at += 1;
        Ok(match byte {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let first = self.hex4()?;
                let code = if (0xd800..0xdc00).contains(&first) { self.second_half(first)? } else { first };
                // Half a surrogate pair is no character, though the grammar has it: see `damage`.
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return Err(self.broken("an unknown escape")),
        })
    }

    /// The character of a pair of which this is the first half; the half itself where no second one follows.
    fn second_half(&mut self, first: u32) -> Result<u32, Broken> {
        if self.text.get(self.at..self.at + 2) != Some("\\u") {
            return Ok(first);
        }
        let back = self.at;
        self.at += 2;
        let second = self.hex4()?;
        if (0xdc00..0xe000).contains(&second) {
            return Ok(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
        }
        // It is a character of its own.
        self.at = back;
        Ok(first)
    }

    fn hex4(&mut self) -> Result<u32, Broken> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            code = code * 16 + digit.ok_or_else(|| self.broken("an unknown escape"))?;
            self.at += 1;
        }
        Ok(code)
    }
}

/// A value as compact JSON.
pub(super) fn text<N: Word, T: Word>(value: &Json<N, T>) -> SecretString {
    fn write<N: Word, T: Word>(out: &mut Vec<u8>, value: &Json<N, T>) {
        match value {
            Json::Null => out.extend_from_slice(b"null"),
            Json::Bool(is) => out.extend_from_slice(is.to_string().as_bytes()),
            Json::Number(number) => out.extend_from_slice(number.as_str().as_bytes()),
            Json::Text(text) => quote(out, text.as_str()),
            Json::List(list) => {
                out.push(b'[');
                for (index, value) in list.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write(out, value);
                }
                out.push(b']');
            }
            Json::Object(members) => {
                out.push(b'{');
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    quote(out, name.as_str());
                    out.push(b':');
                    write(out, value);
                }
                out.push(b'}');
            }
        }
    }
    /// At least as many bytes as are written: each may become six.
    fn bound<N: Word, T: Word>(value: &Json<N, T>) -> usize {
        match value {
            Json::Null | Json::Bool(_) => 5,
            Json::Number(number) => number.as_str().len(),
            Json::Text(text) => 6 * text.as_str().len() + 2,
            Json::List(list) => list.iter().map(|value| bound(value) + 1).sum::<usize>() + 2,
            Json::Object(members) => {
                members.iter().map(|(name, value)| 6 * name.as_str().len() + 4 + bound(value)).sum::<usize>()
                    + 2
            }
        }
    }
    // In one allocation: growing would leave copies behind.
    let mut out = Vec::with_capacity(bound(value));
    write(&mut out, value);
    // All of it is text.
    SecretBytes::new(out).into_text().unwrap_or_default()
}

/// Appends `text` as a JSON string.
pub(super) fn quote(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What one of the three makes of a text: compact JSON or a count, and otherwise why it is none and where.
    fn said<T>(
        made: Result<T, Broken>,
        show: impl FnOnce(T) -> String,
    ) -> Result<String, (&'static str, usize)> {
        made.map(show).map_err(|Broken { why, at }| (why, at))
    }

    fn leaves_of(outline: Outline) -> u64 {
        let sum = |spans: Vec<Span>| spans.iter().map(|span| span.leaves).sum::<u64>();
        match outline {
            Outline::List(spans) => sum(spans),
            Outline::Object(parts) => parts
                .into_iter()
                .map(|(_, part)| match part {
                    Part::List(spans) => sum(spans),
                    Part::Value(value) => value.leaves(),
                })
                .sum(),
            Outline::Other => 0,
        }
    }

    /// That all ways to read a text agree; whether it is JSON.
    fn agree(document: &str) -> bool {
        let owned = said(parse(document), |value| text(&value).expose().to_owned());
        let borrowed = said(parse_borrowed(document), |value| text(&value).expose().to_owned());
        assert_eq!(owned, borrowed, "{document}");
        let counted = said(Parser::<Count>::of(document).whole(), |leaves| leaves.to_string());
        assert_eq!(counted, said(parse(document), |value| value.leaves().to_string()), "{document}");
        let outlined = outline(document, "items");
        match (&owned, outlined) {
            (Err(broken), outlined) => {
                assert_eq!(said(outlined, |_| String::new()), Err(*broken), "{document}");
            }
            (Ok(_), Err(broken)) => panic!("{document}: {broken:?}"),
            (Ok(_), Ok(outline)) => {
                if let Ok(value @ (Value::List(_) | Value::Object(_))) = parse(document) {
                    assert_eq!(leaves_of(outline), value.leaves(), "{document}");
                }
            }
        }
        // Another reader of JSON, which says the same of all that is not nested too deep; numbers beyond a float's reach it
        // does not take, nor half of a character.
        let other: Result<serde_json::Value, _> = serde_json::from_str(document);
        let does_not_take = |error: &serde_json::Error| {
            let words = error.to_string();
            words.starts_with("number out of range")
                || owned.is_ok() && (words.contains("surrogate") || words.contains("hex escape"))
        };
        if !other.as_ref().is_err_and(does_not_take) {
            assert_eq!(owned.is_ok(), other.is_ok(), "{document}");
        }
        if let (Ok(own), Ok(other)) = (&owned, &other) {
            assert_eq!(&serde_json::from_str::<serde_json::Value>(own).unwrap(), other, "{document}");
        }
        owned.is_ok()
    }

    #[test]
    fn whatever_is_made_of_a_document_is_made_of_the_same_values() {
        for document in [
            r#"{"items":[{"a":"","b":null,"c":[1,true]},{},[],"x"],"n":{"items":[1]}}"#,
            r#"[{"a\u0041":"\ud834\udd1e é\n\\\"\/"},-0.5e+10]"#,
            r#" {"items" : 7 , "items2":[ ] } "#,
            r#"["\ud834"]"#,
            r#"["\ud834\u0041"]"#,
            "\"plain\"",
            "null",
        ] {
            assert!(agree(document), "{document}");
        }
        for document in [
            r#"{"items":[1,2}"#,
            r#"{"items":["\x"]}"#,
            "[\"a\u{1}\"]",
            r#"["abcdefgh\"#,
            "{\"items\":[\"abcdefghijk\n\"]}",
            "{\"a\":1} x",
            "",
        ] {
            assert!(!agree(document), "{document}");
        }
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&deep(MAX_DEPTH + 1)).is_ok() && outline(&deep(MAX_DEPTH + 1), "items").is_ok());
        for why in [parse(&deep(MAX_DEPTH + 2)).err(), outline(&deep(MAX_DEPTH + 2), "items").err()] {
            assert_eq!(why.map(|broken| (broken.why, broken.at)), Some((TOO_DEEP, MAX_DEPTH + 1)));
        }
    }

    #[test]
    fn a_name_that_stands_twice_is_found_among_any_number_of_others() {
        for count in [2, 7, 40, 64, 65, 300] {
            let mut members: Members = (0..count).map(|n| (format!("name {n}"), Value::Null)).collect();
            assert_eq!(duplicate(&members), None, "{count}");
            for twin in [0, count / 2, count - 1] {
                members.push((format!("name {twin}"), Value::Null));
                assert_eq!(duplicate(&members), Some(format!("name {twin}").as_str()), "{count}");
                members.pop();
            }
        }
    }

    fn documents() -> impl Strategy<Value = String> {
        let string = r#"([a-zé𝄞 ]{0,20}|\\["\\/bfnrt]|\\u[0-9a-f]{4}|\\ud83[4-7]\\udd1[0-9a-f]){0,4}"#;
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            "-?(0|[1-9][0-9]{0,12})(\\.[0-9]{1,4})?(e[+-]?[0-9]{1,2})?",
            string.prop_map(|text| format!("\"{text}\"")),
        ];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            let member = (string, inner.clone()).prop_map(|(name, value)| format!("\"{name}\" :{value}"));
            let items = prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|list| format!("{{\"items\":[{}]}}", list.join(", ")));
            prop_oneof![
                prop::collection::vec(inner, 0..6).prop_map(|list| format!("[{}]", list.join(" ,\n"))),
                prop::collection::vec(member, 0..6).prop_map(|members| format!("{{ {}}}", members.join(","))),
                items,
            ]
        })
    }

    proptest! {
        #[test]
        fn any_document_and_any_that_is_damaged_is_read_alike(document in documents(), cut in 0_usize..200, put in "[\"\\\\{}\\[\\],:0-9a-f\n]") {
            agree(&document);
            if let Some(head) = document.get(..cut) {
                agree(head);
                prop_assert!(!agree(&document) || parse_head(head).is_ok());
                agree(&format!("{head}{put}{}", document.get(cut..).unwrap_or_default()));
            }
        }

        #[test]
        fn the_end_of_a_string_is_found_wherever_it_stands(text in "[a-z\"\\\\\u{0}-\u{1f} !#\\[\\]^é\u{7f}\u{80}ÿ𝄞]{0,40}", from in 0_usize..40) {
            let slowly = text.bytes().enumerate().skip(from).find(|(_, byte)| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            let end = slowly.map_or(text.len().max(from), |(at, _)| at);
            prop_assert_eq!(plain(text.as_bytes(), from), end);
        }
    }
}
