/// Does something, and goes on without its answer after `limit`: whatever hangs must not hang the program. What was begun
/// is cancelled; where that does nothing it ends with the program.
///
/// - Returns: nil where it took too long.
/// - Throws: what `body` throws.
func bounded<R: Sendable>(_ limit: Duration, _ body: @escaping @Sendable () async throws -> R) async throws -> R? {
    let (results, continuation) = AsyncThrowingStream<R?, any Error>.makeStream()
    let work = Task {
        do { continuation.yield(try await body()) } catch { continuation.finish(throwing: error) }
    }
    let clock = Task {
        try await Task.sleep(for: limit)
        continuation.yield(nil)
    }
    defer {
        work.cancel()
        clock.cancel()
    }
    for try await result in results { return result }
    return nil
}
