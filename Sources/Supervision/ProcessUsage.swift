import Glibc
public import RegistryModel

/// What a process takes of its machine (proc(5)).
public struct ProcessUsage: Sendable, Equatable {
    public let residentBytes: UInt64
    public let virtualBytes: UInt64
    /// In user and kernel mode, of all its threads.
    public let processorTime: Duration
    /// Unix time.
    public let startedAt: Duration
    public let threads: Int
    public let descriptors: Int
    /// How many it may have open.
    public let descriptorLimit: Int

    /// - Returns: nil where it has gone, or is another user's.
    public static func of(_ pid: Int32, in proc: ProcessTable = ProcessTable()) -> ProcessUsage? {
        let limits = proc.text(of: "\(pid)/limits").split(separator: "\n")
        guard let stat = Statistics(proc.text(of: "\(pid)/stat")),
            let line = limits.first(where: { $0.hasPrefix("Max open files") }),
            let limit = line.split(separator: " ").dropFirst(3).first
        else { return nil }
        let pageBytes = UInt64(max(1, sysconf(Int32(_SC_PAGESIZE))))
        return ProcessUsage(
            residentBytes: stat.residentPages.multipliedReportingOverflow(by: pageBytes).partialValue,
            virtualBytes: stat.virtualBytes,
            processorTime: stat.processorTime,
            startedAt: bootTime(proc) + stat.startedAfterBoot,
            threads: stat.threads,
            descriptors: proc.entries(of: "\(pid)/fd").count,
            descriptorLimit: Int(limit) ?? .max
        )
    }

    private static func bootTime(_ proc: ProcessTable) -> Duration {
        let line = proc.text(of: "stat").split(separator: "\n").first { $0.hasPrefix("btime ") }
        return .seconds(line.flatMap { Int64($0.dropFirst("btime ".count)) } ?? 0)
    }

    /// What `/proc/PID/stat` says.
    private struct Statistics {
        let processorTime: Duration
        let threads: Int
        let startedAfterBoot: Duration
        let virtualBytes: UInt64
        let residentPages: UInt64

        /// `pid (name) state ppid …`: the name may hold anything, so one reads from the last bracket on.
        init?(_ line: String) {
            guard let bracket = line.lastIndex(of: ")") else { return nil }
            // The first of these is field 3 of proc(5).
            let fields = line[line.index(after: bracket)...].split(separator: " ").map {
                UInt64($0.prefix { $0 != "\n" })
            }
            guard fields.count > 21, let user = fields[11], let kernel = fields[12], let threads = fields[17],
                let start = fields[19], let virtual = fields[20], let resident = fields[21]
            else { return nil }
            let ticks = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
            processorTime = .seconds(Double(user &+ kernel) / ticks)
            self.threads = Int(clamping: threads)
            startedAfterBoot = .seconds(Double(start) / ticks)
            virtualBytes = virtual
            residentPages = resident
        }
    }
}

extension MetricsPage {
    /// The names that every Prometheus client library uses for its own process.
    public mutating func process(_ usage: ProcessUsage) {
        metric("process_cpu_seconds_total", .counter, "Processor time, user and kernel.")
        sample("process_cpu_seconds_total", [], usage.processorTime.seconds)
        gauge("process_resident_memory_bytes", "Resident memory.", usage.residentBytes)
        gauge(
            "process_virtual_memory_bytes",
            "Addresses in use; the registry's view reserves many.",
            usage.virtualBytes
        )
        gauge("process_open_fds", "Descriptors that are open.", usage.descriptors)
        gauge("process_max_fds", "Descriptors that may be open.", usage.descriptorLimit)
        gauge("process_threads", "Threads.", usage.threads)
        gauge("process_start_time_seconds", "When it was started, Unix time.", usage.startedAt.seconds)
    }
}

extension Duration {
    fileprivate var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}
