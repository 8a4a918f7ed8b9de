//! Names of Rust's functions, as the compiler writes them into a program.
//!
//! A symbol comes in, out goes the wanted name that it stands for, if any. There are two ways to write them, of which one says of
//! what types a function was made and the other does not; where a name begins and ends is the same in both.
//! Source: <https://doc.rust-lang.org/rustc/symbol-mangling/index.html>.

/// Whichever of `wanted` a function's name ends in, if it stands below the module.
pub(super) fn named<'w>(symbol: &str, module: &str, wanted: &[&'w str]) -> Option<&'w str> {
    // What is not of this library is not worth the reading.
    let (library, _) = module.split_once("::")?;
    if !symbol.contains(library) {
        return None;
    }
    let name = format!("{:#}", rustc_demangle::try_demangle(symbol).ok()?).replace(['<', '>'], "");
    let ends = |wanted: &&&str| name.strip_suffix(**wanted).is_some_and(|rest| rest.ends_with("::"));
    wanted.iter().find(ends).copied().filter(|_| name.starts_with(module))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WANTED: [&str; 4] = [
        "PlaintextSink::write",
        "PlaintextSink::write_vectored",
        "Reader as std::io::Read::read",
        "Reader::show",
    ];

    fn of(symbol: &str) -> Option<&'static str> {
        named(symbol, "rustls::conn::", &WANTED)
    }

    #[test]
    fn both_ways_to_write_a_name_are_read() {
        let older = "_ZN66_$LT$rustls..conn..connection..Reader$u20$as$u20$std..io..Read$GT$4read17hf2c32ec727691bcaE";
        assert_eq!(of(older), Some(WANTED[2]));
        let generic = "_ZN99_$LT$rustls..conn..ConnectionCommon$LT$T$GT$$u20$as$u20$rustls..conn..connection..\
                       PlaintextSink$GT$14write_vectored17h828f8255153c206bE";
        assert_eq!(of(generic), Some(WANTED[1]));
        assert_eq!(of("_ZN6rustls4conn10connection6Reader4show17h671948855fd4c009E"), Some(WANTED[3]));
        assert_eq!(of("_RNvMNtNtCs1234_6rustls4conn10connectionNtB2_6Reader4show"), Some(WANTED[3]));
    }

    #[test]
    fn what_the_compiler_adds_does_not_matter() {
        let symbol = "_ZN6rustls4conn6Reader4show17h671948855fd4c009E.llvm.8348838478923109342";
        assert_eq!(of(symbol), Some(WANTED[3]), "and older versions have it in another module");
    }

    #[test]
    fn others_are_not_meant() {
        for symbol in [
            "_ZN66_$LT$tokio..conn..connection..Reader$u20$as$u20$std..io..Read$GT$4read17hf2c32ec727691bcaE",
            "_ZN6rustls4conn10connection6Reader8show_all17h671948855fd4c009E",
            "_ZN6rustls4conn10connection11OtherReader4show17h671948855fd4c009E",
            "_ZN6rustls4conn10connection6Reader4show28_$u7b$$u7b$closure$u7d$$u7d$17h671948855fd4c009E",
            "_ZN6rustls6server6Reader4show17h671948855fd4c009E",
            "rustls_connection_read",
        ] {
            assert_eq!(of(symbol), None, "{symbol}");
        }
    }

    proptest! {
        #[test]
        fn any_symbol_is_read(symbol in "(_ZN|_R|_RNv)[rustls0-9._$A-Za-z]{0,60}") {
            of(&symbol);
        }
    }
}
