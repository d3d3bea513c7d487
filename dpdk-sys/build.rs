//! Does nothing without the feature `binding`, and needs none of its tools then.

#[cfg(feature = "binding")]
mod bind;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "binding")]
    bind::main();
}
