/// Cuts a stream of bytes into lines.
public struct LineCutter: Sendable {
    /// Far above what a sidecar writes: a longer line is no line of its, and is passed over.
    private static let longest = 1_024 * 1_024

    private var rest: [UInt8] = []
    private var isTooLong = false

    public init() {}

    /// - Parameter body: gets each line that these bytes complete, without its end.
    public mutating func take(_ bytes: [UInt8], _ body: (ArraySlice<UInt8>) -> Void) {
        rest += bytes
        var begin = 0
        while let end = rest[begin...].firstIndex(of: UInt8(ascii: "\n")) {
            if !isTooLong { body(rest[begin..<end]) }
            isTooLong = false
            begin = end + 1
        }
        rest.removeFirst(begin)
        guard rest.count > Self.longest else { return }
        rest.removeAll()
        isTooLong = true
    }
}
