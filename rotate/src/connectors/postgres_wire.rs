//! What a PostgreSQL server asks for before it knows the user, watched: the driver answers whatever it is asked, the
//! password in the clear included. Message formats: PostgreSQL's manual, "Frontend/Backend Protocol".

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};

/// Requests for authentication that give a password away: in the clear (3), or hashed so that it can be guessed (5).
const GIVES_AWAY: [u32; 2] = [3, 5];
/// Why a server is told nothing.
pub(super) const GIVEN_AWAY: &str =
    "it asks for the password in a form that could be read or guessed (cleartext or MD5)";
/// The request for SASL, which lists what the server takes.
const SASL: u32 = 10;
/// Bytes of a list of mechanisms that are looked at.
const MOST: usize = 1024;

/// A stream whose server may not ask for a password that it could read or guess.
pub(super) struct Watched<S> {
    inner: S,
    watch: Watch,
}

/// Follows the server's messages until the user is let in.
struct Watch {
    /// The present message as far as it came: kind, length, and of requests for authentication their content.
    held: Vec<u8>,
    /// Bytes of it that are still to come and need not be kept.
    skip: usize,
    over: bool,
    /// Set where the server offers SCRAM with channel binding.
    offers_binding: Arc<AtomicBool>,
}

impl Watch {
    /// Takes what came. `Err` at a request that gives the password away.
    fn feed(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !self.over && !bytes.is_empty() {
            if self.skip > 0 {
                let gone = self.skip.min(bytes.len());
                self.skip -= gone;
                bytes = &bytes[gone..];
                continue;
            }
            let (first, rest) = (bytes[0], &bytes[1..]);
            self.held.push(first);
            bytes = rest;
            let Some((kind, length)) = self.head() else { continue };
            let wanted = if kind == b'R' { length.min(MOST) } else { 4 };
            if self.held.len() < 1 + wanted {
                continue;
            }
            if kind == b'R' {
                self.authentication()?;
            }
            self.over |= kind == b'Z';
            self.skip = length - wanted;
            self.held.clear();
        }
        Ok(())
    }

    /// Kind and length of the present message.
    fn head(&self) -> Option<(u8, usize)> {
        let (kind, rest) = self.held.split_first()?;
        let length = u32::from_be_bytes(*rest.first_chunk()?);
        Some((*kind, usize::try_from(length).unwrap_or(usize::MAX).max(4)))
    }

    fn authentication(&mut self) -> io::Result<()> {
        let Some(request) = self.held.get(5..9).and_then(|four| four.try_into().ok()).map(u32::from_be_bytes)
        else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a request for authentication is cut short",
            ));
        };
        if GIVES_AWAY.contains(&request) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, GIVEN_AWAY));
        }
        self.over |= request == 0;
        if request == SASL {
            let offers = self.held[9..].split(|byte| *byte == 0).any(|name| name == b"SCRAM-SHA-256-PLUS");
            self.offers_binding.store(offers, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl<S> Watched<S> {
    pub(super) fn new(inner: S, offers_binding: Arc<AtomicBool>) -> Self {
        Self { inner, watch: Watch { held: Vec::new(), skip: 0, over: false, offers_binding } }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let ready = Pin::new(&mut self.inner).poll_read(cx, buf);
        if let Poll::Ready(Ok(())) = &ready {
            self.watch.feed(&buf.filled()[before..])?;
        }
        ready
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Watched<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.inner.channel_binding()
    }
}

/// TLS whose content is watched.
#[derive(Clone)]
pub(super) struct WatchedTls<T> {
    pub(super) tls: T,
    pub(super) offers_binding: Arc<AtomicBool>,
}

impl<S, T: MakeTlsConnect<S>> MakeTlsConnect<S> for WatchedTls<T>
where
    T::Stream: Send + 'static,
    T::TlsConnect: Send + 'static,
    <T::TlsConnect as TlsConnect<S>>::Future: Send + 'static,
    S: 'static,
{
    type Stream = Watched<T::Stream>;
    type TlsConnect = WatchedTls<T::TlsConnect>;
    type Error = T::Error;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Self::TlsConnect, Self::Error> {
        let tls = self.tls.make_tls_connect(domain)?;
        Ok(WatchedTls { tls, offers_binding: self.offers_binding.clone() })
    }
}

impl<S, T: TlsConnect<S>> TlsConnect<S> for WatchedTls<T>
where
    T::Future: Send + 'static,
    S: 'static,
{
    type Stream = Watched<T::Stream>;
    type Error = T::Error;
    type Future = futures_util::future::BoxFuture<'static, Result<Self::Stream, Self::Error>>;

    fn connect(self, stream: S) -> Self::Future {
        let connecting = self.tls.connect(stream);
        let offers_binding = self.offers_binding;
        Box::pin(async move { Ok(Watched::new(connecting.await?, offers_binding)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len() + 4).unwrap();
        [&[kind][..], &length.to_be_bytes(), content].concat()
    }

    fn fed(bytes: &[u8], piece: usize) -> (io::Result<()>, bool) {
        let offers_binding = Arc::new(AtomicBool::new(false));
        let mut watch =
            Watch { held: Vec::new(), skip: 0, over: false, offers_binding: offers_binding.clone() };
        let fed = bytes.chunks(piece).try_for_each(|piece| watch.feed(piece));
        (fed, offers_binding.load(Ordering::Relaxed))
    }

    #[test]
    fn a_password_is_asked_for_in_no_form_that_gives_it_away() {
        let notice = message(b'N', &[b'x'; 5000]);
        let sasl = message(b'R', b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
        let plain_sasl = message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0");
        let ok = message(b'R', &[0; 4]);
        let row = message(b'D', &message(b'R', &[0, 0, 0, 3]));
        for piece in [1, 3, 7, 100_000] {
            for (request, refused) in [(3, true), (5, true), (7, false), (10, false)] {
                let asked = [&notice[..], &message(b'R', &[0, 0, 0, request])].concat();
                assert_eq!(fed(&asked, piece).0.is_err(), refused, "{request} by {piece}");
            }
            assert!(fed(&[&sasl[..], &ok, &row].concat(), piece).1);
            let (fed, offered) = fed(&[&plain_sasl[..], &ok, &row].concat(), piece);
            assert!(fed.is_ok() && !offered);
        }
        assert!(fed(&message(b'R', &[]), 1).0.is_err());
    }
}
