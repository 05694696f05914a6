import Synchronization

extension SidecarCaller {
    /// Sends a request and hands the answer's lines on as they come, without their ends: for `GET /tail` of an admin socket.
    ///
    /// - Parameter onBegin: called when the answer has begun.
    /// - Throws: ``SidecarError`` where the answer is cut off, or its status is not 200.
    public func lines(
        _ request: Request,
        onBegin: @escaping @Sendable () -> Void = {},
        _ onLine: @escaping @Sendable (ArraySlice<UInt8>) -> Void
    ) async throws {
        let cutter = Mutex(LineCutter())
        try await stream(request, onBegin: onBegin) { bytes in
            cutter.withLock { $0.take(bytes, onLine) }
        }
    }
}
