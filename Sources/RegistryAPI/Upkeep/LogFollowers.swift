import Synchronization

/// How many follow the log at a time: each costs a reader of files ten times a second, for as long as it likes.
final class LogFollowers: Sendable {
    /// Copies that a registry has of its log, and room for those who look on.
    static let most = 32

    /// Held for as long as somebody follows.
    final class Place: Sendable {
        private let followers: LogFollowers

        fileprivate init(_ followers: LogFollowers) {
            self.followers = followers
        }

        deinit {
            followers.count.subtract(1, ordering: .relaxed)
        }
    }

    private let most: Int
    private let count = Atomic<Int>(0)

    init(atMost most: Int = LogFollowers.most) {
        self.most = most
    }

    /// - Throws: `too-many-followers` where there is no room.
    func admit() throws(ProblemDetails) -> Place {
        guard count.add(1, ordering: .relaxed).newValue <= most else {
            count.subtract(1, ordering: .relaxed)
            var problem = ProblemDetails(
                code: "too-many-followers",
                status: 503,
                title: "Too many followers",
                detail: "\(most) follow the log already",
                hint: "fetch it piece by piece: GET /v1/log"
            )
            problem.retryAfterSeconds = 60
            throw problem
        }
        return Place(self)
    }
}
