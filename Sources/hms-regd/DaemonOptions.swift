import ArgumentParser

/// The daemon's flags, as text: what a flag leaves out may stand in the environment or in the configuration file, and
/// all three are read by ``DaemonSettings``.
struct DaemonOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Where the log and the view are kept; made when missing.", valueName: "dir"))
    var data: String?

    @Option(
        help: ArgumentHelp(
            "The registry's own door, TLS 1.3; port 0: a free one; none: only the sockets (default: 127.0.0.1:9000, or a "
                + "free port where that is taken).",
            valueName: "host:port"
        )
    )
    var listen: String?

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "A DNS name by which that door is reached, once for each; the first one stands in join tokens.",
            valueName: "dnsname"
        )
    )
    var name: [String] = []

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "Services may advertise addresses inside this range, beside the one that they connect from; once for each.",
            valueName: "cidr"
        )
    )
    var advertiseAllow: [String] = []

    @Option(
        help: ArgumentHelp(
            "How long after its end a certificate's key is good for one new certificate (default: 7d).",
            valueName: "duration"
        )
    )
    var rejoinWindow: String?

    @Option(
        help: ArgumentHelp(
            "How long each phase of a change of roots lasts, for trials; below the life of a certificate calls fail "
                + "(default: 24h, then 25h).",
            valueName: "duration",
            visibility: .hidden
        )
    )
    var rotationPhase: String?

    @Option(
        help: ArgumentHelp(
            "Read-only door without TLS, on loopback: look-ups, watches and metrics (default: none).",
            valueName: "host:port"
        )
    )
    var plainListen: String?

    @Option(
        help: ArgumentHelp(
            "Door for scrapers, any address: /metrics, /healthz, /readyz, /v1/targets (default: none).",
            valueName: "host:port"
        )
    )
    var metricsListen: String?

    @Option(
        help: ArgumentHelp(
            "The operator's second socket, beside DATA/regd.sock; none: no second one (default: "
                + "$XDG_RUNTIME_DIR/hms/regd.sock, as root /run/hms/regd.sock).",
            valueName: "path"
        )
    )
    var socket: String?

    @Option(help: ArgumentHelp("Group that may use the sockets too (mode 0660).", valueName: "group"))
    var socketGroup: String?

    @Option(help: ArgumentHelp("How long an instance may be silent (default: 30s).", valueName: "duration"))
    var ttl: String?

    @Option(
        help: ArgumentHelp(
            "How long a silent instance stays registered as unhealthy (default: 10m).",
            valueName: "duration"
        )
    )
    var deregisterAfter: String?

    @Option(
        help: ArgumentHelp(
            "Share of the instances that must fall silent at once for the registry to suspect itself (default: 0.33).",
            valueName: "share"
        )
    )
    var guardFraction: String?

    @Option(help: ArgumentHelp("It never does so below this many (default: 10).", valueName: "count"))
    var guardMin: String?

    @Option(
        help: ArgumentHelp("How long it then holds expiries back at the most (default: 10m).", valueName: "duration")
    )
    var protectFor: String?

    @Option(help: ArgumentHelp("Of the identities that it issues (default: gov.local).", valueName: "name"))
    var trustDomain: String?

    @Option(
        help: ArgumentHelp(
            "Put each signed checkpoint there too, and the key: a disk of its own (default: none).",
            valueName: "dir"
        )
    )
    var checkpointCopy: String?

    @Option(help: ArgumentHelp("Take a snapshot this often (default: only when asked).", valueName: "duration"))
    var snapshotEvery: String?

    @Option(help: ArgumentHelp("Of those taken on schedule, keep so many (default: 24).", valueName: "count"))
    var snapshotKeep: String?

    @Option(help: ArgumentHelp("Where snapshots go (default: DATA/snapshots).", valueName: "dir"))
    var snapshotDir: String?

    @Option(
        help: ArgumentHelp(
            "Heartbeats are kept this long, or so many bytes of them, or forever; decisions always are (default: 30d).",
            valueName: "30d|10GB|forever"
        )
    )
    var keepHeartbeats: String?

    @Option(
        help: ArgumentHelp(
            "Room kept free on the disk for the last writes, in MB; 0: none (default: 64).",
            valueName: "megabytes"
        )
    )
    var reserve: String?

    @Option(
        help: ArgumentHelp("trace, debug, info, notice, warning or error (default: info).", valueName: "level")
    )
    var logLevel: String?

    @Option(
        help: ArgumentHelp(
            "End by itself after so long without a request, a watch or an instance that beats (default: never).",
            valueName: "duration"
        )
    )
    var idleExit: String?

    @Flag(
        help: ArgumentHelp(
            "This user's dev registry: data in $XDG_STATE_HOME/hms/dev, no room reserved, a plain door on "
                + "127.0.0.1:9000 or any free port, --idle-exit 10m."
        )
    )
    var dev = false

    @Option(help: ArgumentHelp("Read options from this YAML file.", valueName: "file"))
    var config: String?

    @Flag(help: "Check the configuration and exit.")
    var check = false

    /// Each option's long name and what the command line says.
    var given: [(name: String, value: String?)] {
        [
            ("data", data), ("listen", listen), ("name", name.isEmpty ? nil : name.joined(separator: ",")),
            ("advertise-allow", advertiseAllow.isEmpty ? nil : advertiseAllow.joined(separator: ",")),
            ("rejoin-window", rejoinWindow), ("rotation-phase", rotationPhase),
            ("plain-listen", plainListen), ("metrics-listen", metricsListen), ("socket", socket),
            ("socket-group", socketGroup), ("ttl", ttl), ("deregister-after", deregisterAfter),
            ("guard-fraction", guardFraction), ("guard-min", guardMin), ("protect-for", protectFor),
            ("trust-domain", trustDomain), ("checkpoint-copy", checkpointCopy), ("snapshot-every", snapshotEvery),
            ("snapshot-keep", snapshotKeep), ("snapshot-dir", snapshotDir), ("keep-heartbeats", keepHeartbeats),
            ("reserve", reserve), ("log-level", logLevel), ("idle-exit", idleExit),
        ]
    }
}
