import Glibc
import Synchronization

/// `posix_spawnp(3)` with what both kinds of child share: default signals, an empty signal mask, and no descriptor of ours
/// but the three that it is given.
struct ProcessSpawn {
    /// To what the child belongs.
    enum Group {
        /// A process group of its own, in this session.
        case own
        /// A session of its own: it outlives this one's terminal.
        case ownSession
    }

    /// glibc's, which its header shows only to GNU programs.
    private static let setSession: Int32 = 0x80
    /// One at a time: a pipe's end that has not been marked yet must not get into another child.
    static let turn = Mutex(())

    var arguments: [String]
    /// `NAME=VALUE`
    var environment: [String]
    var group: Group
    /// What the child has as 0, 1 and 2.
    var descriptors: (input: Int32, output: Int32, errors: Int32)

    /// - Precondition: `arguments` is not empty.
    /// - Returns: the child's pid.
    func run() throws(SupervisionError) -> Int32 {
        precondition(!arguments.isEmpty, "a program has a name")
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, descriptors.input, 0)
        posix_spawn_file_actions_adddup2(&actions, descriptors.output, 1)
        posix_spawn_file_actions_adddup2(&actions, descriptors.errors, 2)
        // What some library has not marked as its own; that one is gone by then is no error.
        for descriptor in Self.openDescriptors where descriptor > 2 {
            posix_spawn_file_actions_addclose(&actions, descriptor)
        }

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        // What this process ignores (a closed pipe, Ctrl-C while it drains) the child must not.
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigdefault(&attributes, &all)
        var flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
        switch group {
        case .own:
            flags |= POSIX_SPAWN_SETPGROUP
            posix_spawnattr_setpgroup(&attributes, 0)
        case .ownSession: flags |= Self.setSession
        }
        posix_spawnattr_setflags(&attributes, Int16(flags))

        var pid = Int32()
        let failure = Self.withStrings(arguments) { argv in
            Self.withStrings(environment) { envp in
                posix_spawnp(&pid, arguments[0], &actions, &attributes, argv, envp)
            }
        }
        guard failure == 0 else {
            throw .system(failure == ENOENT ? .notFound : .notRunnable, "can't run \(arguments[0])", failure)
        }
        return pid
    }

    /// A pipe whose ends no child inherits by accident.
    static func pipe() throws(SupervisionError) -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        guard Glibc.pipe(&ends) == 0 else { throw .system(.notRunnable, "no pipe can be made") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }

    private static var openDescriptors: [Int32] {
        ProcessTable().entries(of: "self/fd").compactMap { Int32($0) }
    }

    private static func withStrings<R>(
        _ strings: [String],
        _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> R
    ) -> R {
        var pointers = strings.map { strdup($0) }
        pointers.append(nil)
        defer { for pointer in pointers { free(pointer) } }
        return pointers.withUnsafeMutableBufferPointer { buffer in
            // There is always the closing nil.
            guard let base = buffer.baseAddress else { preconditionFailure("an array with an element has an address") }
            return body(base)
        }
    }
}
