import Glibc

/// What a process takes of its machine (proc(5)).
public struct ProcessUsage: Sendable, Equatable {
    public let residentBytes: UInt64
    public let descriptors: Int
    /// How many it may have open.
    public let descriptorLimit: Int

    /// - Returns: nil where it has gone, or is another user's.
    public static func of(_ pid: Int32, in proc: ProcessTable = ProcessTable()) -> ProcessUsage? {
        let sizes = proc.text(of: "\(pid)/statm").split(separator: " ")
        let limits = proc.text(of: "\(pid)/limits").split(separator: "\n")
        guard sizes.count > 1, let pages = UInt64(sizes[1]),
            let line = limits.first(where: { $0.hasPrefix("Max open files") }),
            let limit = line.split(separator: " ").dropFirst(3).first
        else { return nil }
        return ProcessUsage(
            residentBytes: pages.multipliedReportingOverflow(by: UInt64(max(1, sysconf(Int32(_SC_PAGESIZE)))))
                .partialValue,
            descriptors: proc.entries(of: "\(pid)/fd").count,
            descriptorLimit: Int(limit) ?? .max
        )
    }
}
