import Mesh

/// What became of a load's requests so far.
struct LoadTally: Sendable {
    /// How long requests took, and how many of them succeeded.
    struct Times: Sendable {
        var microseconds: [Int64] = []
        var failed: [Int64] = []

        var count: Int { microseconds.count + failed.count }

        /// All of them, the fastest first.
        var sorted: [Int64] { (microseconds + failed).sorted() }

        mutating func add(_ took: Int64, isGood: Bool) {
            if isGood { microseconds.append(took) } else { failed.append(took) }
        }
    }

    private(set) var started = 0
    private(set) var retried = 0
    private(set) var times = Times()
    /// By the instance that answered.
    private(set) var places: [String: Times] = [:]
    private(set) var reasons: [String: Int] = [:]
    /// No further request is to begin.
    private(set) var isOver = false

    var done: Int { times.count }
    var succeeded: Int { times.microseconds.count }

    /// - Returns: false where no more are due.
    mutating func start(of requests: Int) -> Bool {
        guard started < requests, !isOver else { return false }
        started += 1
        return true
    }

    mutating func stop() {
        isOver = true
    }

    mutating func take(_ result: Result<SidecarCaller.Response, any Error>, _ took: Int64) {
        switch result {
        case .success(let response):
            let isGood = (200..<400).contains(response.status)
            times.add(took, isGood: isGood)
            if let tries = response.header("x-hms-attempts").flatMap({ Int($0) }), tries > 1 { retried += 1 }
            if let place = response.header("x-hms-instance") {
                let id = place.split(separator: "/").last.map(String.init) ?? place
                places[id, default: Times()].add(took, isGood: isGood)
            }
            if !isGood { reasons[response.header("x-hms-error") ?? String(response.status), default: 0] += 1 }
        case .failure(let error):
            times.add(took, isGood: false)
            reasons["\(error)", default: 0] += 1
        }
    }
}

extension [Int64] {
    /// Of a sorted one.
    func quantile(_ share: Double) -> Int64 {
        isEmpty ? 0 : self[Swift.min(count - 1, Int(Double(count) * share))]
    }
}
