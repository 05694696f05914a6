import Mesh
import RegistryClient

/// The registry answers one question about the past at a time: those of this dashboard's pages are asked in turn, and again
/// where somebody else's was under way.
actor HistoryTurns {
    /// Questions that wait, at most; a page asks for no more than the last one that it wants.
    private static let mostWaiting = 64
    /// The registry's word where another question is under way.
    private static let busy = RegistryClientError.Code("history-busy")
    private static let firstPause = Duration.milliseconds(50)
    private static let mostTries = 6

    private var isTaken = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    /// - Throws: what `question` throws; `history-busy` where too many wait, or the registry stays busy.
    func ask<R: Sendable>(_ question: @Sendable () async throws -> R) async throws -> R {
        guard waiting.count < Self.mostWaiting else {
            throw RegistryClientError(Self.busy, "too many questions about history are waiting", status: 503)
        }
        if isTaken {
            await withCheckedContinuation { waiting.append($0) }
        } else {
            isTaken = true
        }
        defer { passOn() }
        var pause = Self.firstPause
        for _ in 1..<Self.mostTries {
            if let answer = try await Self.answer(question) { return answer }
            guard await Task.pause(for: pause) else { throw CancellationError() }
            pause *= 2
        }
        return try await question()
    }

    private func passOn() {
        if waiting.isEmpty {
            isTaken = false
        } else {
            waiting.removeFirst().resume()
        }
    }

    /// nil where the registry is busy.
    private static func answer<R: Sendable>(_ question: @Sendable () async throws -> R) async throws -> R? {
        do {
            return try await question()
        } catch let error as RegistryClientError {
            guard error.code == busy else { throw error }
            return nil
        }
    }
}
