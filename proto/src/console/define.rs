//! How frames are written down: a list of fields or variants, from which encoding, decoding and the
//! values of tests come.

/// Defines a struct whose fields travel in the order written.
macro_rules! record {
    ($(#[$meta:meta])* $name:ident {
        $($(#[$field_meta:meta])* $field:ident: $type:ty,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl Field for $name {
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)*
            }

            fn take(input: &mut Input<'_>) -> Result<Self, FrameError> {
                Ok(Self { $($field: Field::take(input)?,)* })
            }
        }

        #[cfg(test)]
        impl super::sample::Sample for $name {
            fn sample(source: &mut super::sample::Source) -> Self {
                Self { $($field: super::sample::Sample::sample(source),)* }
            }
        }
    };
}

/// Defines a choice: a tag byte, then the chosen variant's payload if it has one. `$unknown` is
/// the error for a tag that is not listed. Tags are never reused.
macro_rules! choice {
    ($(#[$meta:meta])* $name:ident, $unknown:ident {
        $($(#[$variant_meta:meta])* $tag:literal => $variant:ident $(($payload:ty))?,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum $name {
            $($(#[$variant_meta])* $variant $(($payload))?,)*
        }

        impl Field for $name {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(choice!(@pattern $variant payload $($payload)?) => {
                        out.push($tag);
                        $(<$payload as Field>::put(payload, out);)?
                    })*
                }
            }

            fn take(input: &mut Input<'_>) -> Result<Self, FrameError> {
                match u8::take(input)? {
                    $($tag => Ok(Self::$variant $((<$payload as Field>::take(input)?))?),)*
                    other => Err(FrameError::$unknown(other)),
                }
            }
        }

        #[cfg(test)]
        impl super::sample::Sample for $name {
            fn sample(source: &mut super::sample::Source) -> Self {
                let tags = [$($tag),*];
                let tag: u8 = source.pick(&tags);
                match tag {
                    $($tag => Self::$variant
                        $((<$payload as super::sample::Sample>::sample(source)))?,)*
                    _ => unreachable!("a listed tag"),
                }
            }
        }
    };
    (@pattern $variant:ident $binding:ident) => { Self::$variant };
    (@pattern $variant:ident $binding:ident $payload:ty) => { Self::$variant($binding) };
}

/// Makes a choice one direction's set of frames.
macro_rules! direction {
    ($name:ident) => {
        impl Frame for $name {
            fn encode_body(&self, out: &mut Vec<u8>) {
                self.put(out);
            }

            fn decode_body(body: &[u8]) -> Result<Self, FrameError> {
                let mut input = Input::new(body);
                let frame = Self::take(&mut input)?;
                input.end()?;
                Ok(frame)
            }
        }
    };
}
