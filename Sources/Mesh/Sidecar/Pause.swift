extension Task where Success == Never, Failure == Never {
    /// Waits, in loops that end with their task.
    ///
    /// - Returns: false once the task is cancelled, which is all that can cut a pause short.
    package static func pause(for duration: Duration) async -> Bool {
        do {
            try await sleep(for: duration)
            return true
        } catch {
            return false
        }
    }
}
