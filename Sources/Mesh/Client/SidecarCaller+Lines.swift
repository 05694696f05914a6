import Synchronization

extension SidecarCaller {
    /// Bytes of a line; of a longer one nothing is handed on.
    private static let longestLine = 1_024 * 1_024

    /// Sends a request and hands the answer's lines on as they come, without their ends: for `GET /tail` of an admin socket.
    ///
    /// - Throws: ``SidecarError`` where the answer is cut off, or its status is not 200.
    public func lines(_ request: Request, _ onLine: @escaping @Sendable (ArraySlice<UInt8>) -> Void) async throws {
        let unfinished = Mutex<[UInt8]>([])
        try await stream(request) { bytes in
            unfinished.withLock { rest in
                rest += bytes
                var begin = 0
                while let end = rest[begin...].firstIndex(of: UInt8(ascii: "\n")) {
                    onLine(rest[begin..<end])
                    begin = end + 1
                }
                rest.removeFirst(begin)
                if rest.count > Self.longestLine { rest.removeAll() }
            }
        }
    }
}
