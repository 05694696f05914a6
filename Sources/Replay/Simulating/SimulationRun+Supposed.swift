import RegistryModel

/// What would have become of leases under the supposed rules, as time passes.
extension SimulationRun {
    /// nil: never expires. Its own ttl counts before its service's, and that before everybody's.
    private func policy(of index: Int) -> HealthPolicy? {
        let own = policies[leases[index].service]
        var policy = rules.policy
        if let ttl = own.ttlMilliseconds { policy.ttl = .milliseconds(Int64(clamping: ttl)) }
        if let after = own.deregisterAfterMilliseconds {
            policy.deregisterAfter = .milliseconds(Int64(clamping: after))
        }
        switch leases[index].instance.lease {
        case .inherited: break
        case .ttl(let milliseconds): policy.ttl = .milliseconds(Int64(clamping: milliseconds))
        case .permanent: return nil
        }
        return policy
    }

    mutating func schedule(_ index: Int) {
        guard let policy = policy(of: index) else {
            ttls[index] = .max
            return
        }
        ttls[index] = policy.ttl.nanoseconds
        putDue(index, lastBeats[index].advanced(by: policy.ttl))
    }

    private mutating func putDue(_ index: Int, _ time: Timestamp) {
        let at = max(time.unixSeconds + 1, (second ?? 0) + 1)
        leases[index].dueAt = at
        wheel.put(index, at: at)
    }

    /// Lets time pass, second by second where anything is due.
    mutating func advance(to time: Timestamp) {
        let now = time.unixSeconds
        guard var reached = second else {
            second = now
            return
        }
        // After the clock was set back there is nothing to catch up with.
        guard now > reached else {
            if now < reached { goBack(to: now) }
            return
        }
        while reached < now {
            reached += 1
            second = reached
            let indices = wheel.take(reached)
            if !indices.isEmpty { look(indices, reached) }
        }
    }

    /// What was due by the old clock is due by the new one, as long from now.
    private mutating func goBack(to now: Int64) {
        let by = (second ?? now) - now
        second = now
        wheel = TimingWheel()
        for index in leases.indices {
            guard let at = leases[index].dueAt else { continue }
            leases[index].dueAt = at - by
            wheel.put(index, at: at - by)
        }
    }

    private mutating func look(_ indices: [Int], _ second: Int64) {
        let now = Timestamp(rawValue: second * 1_000_000_000)
        let monotonic = MonotonicTime(rawValue: now.rawValue)
        var overdue: [Int] = []
        for index in indices {
            guard let at = leases[index].dueAt, at == second else {
                if let at = leases[index].dueAt, TimingWheel.isLapEarly(second, for: at) { wheel.put(index, at: at) }
                continue
            }
            leases[index].dueAt = nil
            guard !leases[index].supposed.isGone, ttls[index] != .max else { continue }
            // Nearly always it has beaten meanwhile: what the rules would say of that is plain.
            let end = lastBeats[index].rawValue + ttls[index]
            guard end <= now.rawValue else {
                putDue(index, Timestamp(rawValue: end))
                continue
            }
            let supposed = leases[index].supposed
            guard let policy = policy(of: index) else { continue }
            let verdict = policy.verdict(
                supposed.health,
                silentFor: now.since(lastBeats[index]),
                unhealthyFor: now.since(supposed.unhealthySince)
            )
            switch verdict {
            case .inTime(let after): putDue(index, now.advanced(by: max(after, .seconds(1))))
            case .overdue: overdue.append(index)
            case .expired:
                leases[index].supposed.isGone = true
                releaseIfGone(index, at: now)
            }
        }
        guard !overdue.isEmpty else { return }
        consultGuard(now, monotonic)
        let allowed = expiryGuard.allowedExpiries(
            of: overdue.count,
            leased: leases.count - free.count,
            ttl: rules.policy.ttl,
            now: monotonic
        )
        for (position, index) in overdue.enumerated() {
            if position < allowed { expire(index, now) }
            putDue(index, now.advanced(by: position < allowed ? .seconds(29) : .zero))
        }
    }

    private mutating func expire(_ index: Int, _ now: Timestamp) {
        leases[index].supposed.health = .unhealthy
        leases[index].supposed.cause = .heartbeatMissed
        leases[index].supposed.unhealthySince = now
        leases[index].supposed.expiredAt = now
        settle(index)
        count(index, now) { $0.supposed.expiries += 1 }
    }

    /// Shows the guard the fleet, counted as the registry counts it.
    private mutating func consultGuard(_ now: Timestamp, _ monotonic: MonotonicTime) {
        var seen = MassExpiryGuard.Observation(leased: 0, beating: 0, silent: 0, overdue: 0)
        for index in leases.indices where !leases[index].isFree {
            let supposed = leases[index].supposed
            guard !supposed.isGone, supposed.health != .draining, let ttl = policy(of: index)?.ttl else { continue }
            let silence = now.since(lastBeats[index])
            if supposed.health == .unhealthy {
                guard let expired = supposed.expiredAt, now.since(expired) < ttl else { continue }
                seen.leased += 1
                seen.silent += 1
                continue
            }
            seen.leased += 1
            if silence >= ttl { seen.overdue += 1 } else { seen.beating += 1 }
            // Having missed a beat already, as all have when the network is gone.
            if silence.nanoseconds >= ttl.nanoseconds / 10 * 6 { seen.silent += 1 }
        }
        switch expiryGuard.assess(seen, now: monotonic) {
        case .start: if isCounted(now) { result.supposedGuardTrips += 1 }
        case .none, .end: break
        }
    }
}
