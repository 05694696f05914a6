import Glibc

/// Random numbers that a seed repeats (SplitMix64, Steele et al. 2014). A test prints its seed when it fails, and takes
/// the same one again from `HMS_TEST_SEED`.
public struct SeededGenerator: RandomNumberGenerator {
    public let seed: UInt64
    private var state: UInt64

    public init(seed: UInt64) {
        self.seed = seed
        state = seed
    }

    /// The seed that `HMS_TEST_SEED` says, else `usual`.
    public init(usual: UInt64) {
        self.init(seed: getenv("HMS_TEST_SEED").flatMap { UInt64(String(cString: $0)) } ?? usual)
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

extension SeededGenerator {
    public mutating func below(_ bound: Int) -> Int {
        Int.random(in: 0..<bound, using: &self)
    }

    /// True once in so many times.
    public mutating func oneIn(_ count: Int) -> Bool {
        below(count) == 0
    }

    public mutating func pick<C: RandomAccessCollection>(_ choices: C) -> C.Element {
        choices[choices.index(choices.startIndex, offsetBy: below(choices.count))]
    }

    public mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }

    /// A number of any magnitude: small ones are as likely as large ones.
    public mutating func magnitude() -> UInt64 {
        next() >> UInt64(below(64))
    }

    /// Text with all that is awkward in it: quotation marks, controls, letters of two, three and four bytes.
    public mutating func text(upTo count: Int) -> String {
        let awkward: [Unicode.Scalar] = ["\"", "\\", "/", "\n", "\t", "\u{0}", "\u{1f}", "\u{7f}", "é", "ß", "語", "🜁"]
        var text = ""
        for _ in 0..<below(count + 1) {
            let scalar = oneIn(3) ? pick(awkward) : Unicode.Scalar(UInt8(ascii: "a") + UInt8(below(26)))
            text.unicodeScalars.append(scalar)
        }
        return text
    }

    /// The same bytes but for one bit.
    public mutating func flippingOneBit(of bytes: [UInt8]) -> [UInt8] {
        var flipped = bytes
        flipped[below(bytes.count)] ^= 1 << UInt8(below(8))
        return flipped
    }
}
