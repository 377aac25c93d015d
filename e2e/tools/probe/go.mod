// The only program in the image that tests put on real nodes; nothing but the standard library.
module helios.trading/e2e/probe

go 1.26.0
