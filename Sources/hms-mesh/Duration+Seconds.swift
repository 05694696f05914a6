extension Duration {
    /// For arithmetic and for people; a `Double` is exact enough for both.
    var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }

    var inMilliseconds: Double {
        inSeconds * 1e3
    }
}
