// An HTTP/1.1 load client over keep-alive connections, TCP on loopback or a Unix socket. Closed loop, or open loop at a
// fixed rate: then latency counts from the moment a request was due, whatever kept it waiting.
//
//   cc -O2 -o httpload httpload.c
//   httpload --connect unix:PATH|127.0.0.1:PORT --connections N [--rate R] [--seconds S] [--requests N]
//            [--method M] --path TEMPLATE [--body TEMPLATE [--repeat K]] [--first N] [--modulus N [--shuffle 1]]
//
// In templates %n is a number of its own for each use, counting from --first; %m is that modulo --modulus, with --shuffle
// in a fixed random order; %d is %m divided by ten; %r is a random number below --modulus. With --repeat the body is a
// JSON array of K such elements.
// Prints one JSON object; latencies in microseconds.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { OUT_BYTES = 1 << 20, IN_BYTES = 1 << 20 };

typedef struct {
    int fd, busy, waits_for_room;
    double due;
    size_t out_length, out_done, in_length;
    char *out, *in;
} Connection;

static struct {
    const char *connect, *method, *path, *body;
    int connections, repeat;
    double rate, seconds;
    uint64_t requests, first, modulus, shuffle;
} options = {.method = "GET", .connections = 1, .seconds = 5, .modulus = 1};

static uint64_t counter;
static uint32_t *latencies;
static size_t latency_count, latency_room;
static uint64_t failures;
static int epoll_descriptor;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static uint64_t random_number(void) {
    static uint64_t state = 88172645463325252ull;  // xorshift64, the same in every run
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

// A number below the modulus: in turn, or, shuffled, in an order that only repeats after all were used.
static uint64_t reduced(uint64_t number) {
    static uint32_t *order;
    if (!options.shuffle) return number % options.modulus;
    if (!order) {
        order = malloc(options.modulus * sizeof *order);
        if (!order) die("malloc");
        for (uint64_t i = 0; i < options.modulus; i++) order[i] = i;
        for (uint64_t i = options.modulus - 1; i > 0; i--) {
            uint64_t j = random_number() % (i + 1);
            uint32_t kept = order[i];
            order[i] = order[j], order[j] = kept;
        }
    }
    return order[number % options.modulus];
}

static char *expand(char *to, const char *end, const char *template) {
    uint64_t number = options.first + counter++;
    for (; *template; template++) {
        if (end - to < 32) {
            fprintf(stderr, "httpload: a request is over %d bytes\n", OUT_BYTES);
            exit(2);
        }
        if (*template != '%') {
            *to++ = *template;
            continue;
        }
        switch (*++template) {
        case 'n': to += sprintf(to, "%lu", number); break;
        case 'm': to += sprintf(to, "%lu", reduced(number)); break;
        case 'd': to += sprintf(to, "%lu", reduced(number) / 10); break;
        case 'r': to += sprintf(to, "%lu", random_number() % options.modulus); break;
        default: *to++ = *template;
        }
    }
    return to;
}

static void prepare(Connection *c) {
    static char body[OUT_BYTES], path[4096];
    char *end = body;
    if (options.body) {
        if (options.repeat) *end++ = '[';
        for (int i = 0; i < (options.repeat ? options.repeat : 1); i++) {
            if (i) *end++ = ',';
            end = expand(end, body + sizeof body, options.body);
        }
        if (options.repeat) *end++ = ']';
    }
    *expand(path, path + sizeof path, options.path) = 0;
    int head = snprintf(c->out, OUT_BYTES, "%s %s HTTP/1.1\r\nhost: bench\r\ncontent-length: %zu\r\n\r\n", options.method,
                        path, (size_t)(end - body));
    if (head + (end - body) > OUT_BYTES) die("a request is too long");
    memcpy(c->out + head, body, end - body);
    c->out_length = head + (end - body);
    c->out_done = c->in_length = 0;
}

// Room to write is waited for only when there was none: else the server would pay for waking us each time that it reads.
static void flush_out(Connection *c) {
    while (c->out_done < c->out_length) {
        ssize_t n = send(c->fd, c->out + c->out_done, c->out_length - c->out_done, MSG_NOSIGNAL);
        int is_full = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
        if (is_full != c->waits_for_room) {
            struct epoll_event event = {.events = EPOLLIN | EPOLLET | (is_full ? EPOLLOUT : 0), .data.ptr = c};
            epoll_ctl(epoll_descriptor, EPOLL_CTL_MOD, c->fd, &event);
            c->waits_for_room = is_full;
        }
        if (is_full) return;
        if (n <= 0) die("send");
        c->out_done += n;
    }
}

// The status once the answer is whole, else 0.
static int answered(Connection *c) {
    c->in[c->in_length] = 0;
    char *end = strstr(c->in, "\r\n\r\n");
    if (!end) return 0;
    char *length = strcasestr(c->in, "\r\ncontent-length:");
    if (!length || length > end) die("an answer without content-length");
    if (c->in_length < (size_t)(end + 4 - c->in) + strtoul(length + 17, NULL, 10)) return 0;
    return atoi(c->in + 9);
}

static void record(double due, int status) {
    if (latency_count == latency_room) {
        latency_room = latency_room ? latency_room * 2 : 1 << 16;
        latencies = realloc(latencies, latency_room * sizeof *latencies);
        if (!latencies) die("realloc");
    }
    latencies[latency_count++] = (uint32_t)((now() - due) * 1e6);
    if (status < 200 || status > 299) failures++;
}

static int open_connection(void) {
    int fd;
    if (!strncmp(options.connect, "unix:", 5)) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        strncpy(address.sun_path, options.connect + 5, sizeof address.sun_path - 1);
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(fd, (void *)&address, sizeof address)) die("connect");
    } else {
        const char *colon = strrchr(options.connect, ':');
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(colon ? colon + 1 : "")),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int one = 1;
        fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (void *)&address, sizeof address)) die("connect");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void report(double seconds) {
    qsort(latencies, latency_count, sizeof *latencies, ascending);
#define AT(q) (latency_count ? latencies[(size_t)((latency_count - 1) * (q))] : 0)
    printf("{\"requests\":%zu,\"failures\":%lu,\"seconds\":%.3f,\"per_second\":%.1f,\"p50_us\":%u,\"p99_us\":%u,"
           "\"p999_us\":%u,\"max_us\":%u,\"operations\":%zu}\n",
           latency_count, failures, seconds, latency_count / seconds, AT(0.5), AT(0.99), AT(0.999), AT(1.0),
           latency_count * (options.repeat ? options.repeat : 1));
}

static void parse(int argc, char **argv) {
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (!strcmp(name, "--connect")) options.connect = value;
        else if (!strcmp(name, "--connections")) options.connections = atoi(value);
        else if (!strcmp(name, "--rate")) options.rate = atof(value);
        else if (!strcmp(name, "--seconds")) options.seconds = atof(value);
        else if (!strcmp(name, "--requests")) options.requests = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--method")) options.method = value;
        else if (!strcmp(name, "--path")) options.path = value;
        else if (!strcmp(name, "--body")) options.body = value;
        else if (!strcmp(name, "--repeat")) options.repeat = atoi(value);
        else if (!strcmp(name, "--first")) options.first = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--shuffle")) options.shuffle = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--modulus")) options.modulus = strtoull(value, NULL, 10);
        else fprintf(stderr, "httpload: unknown option %s\n", name), exit(2);
    }
    if (!options.connect || !options.path || options.connections < 1 || options.modulus < 1) {
        fprintf(stderr, "httpload: --connect and --path are needed; see the top of httpload.c\n");
        exit(2);
    }
}

int main(int argc, char **argv) {
    parse(argc, argv);
    prctl(PR_SET_TIMERSLACK, 1);
    int idle_count = 0;
    epoll_descriptor = epoll_create1(0);
    Connection *all = calloc(options.connections, sizeof *all);
    Connection **idle = calloc(options.connections, sizeof *idle);
    for (int i = 0; i < options.connections; i++) {
        all[i] = (Connection){.fd = open_connection(), .out = malloc(OUT_BYTES + 1), .in = malloc(IN_BYTES + 1)};
        struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = &all[i]};
        epoll_ctl(epoll_descriptor, EPOLL_CTL_ADD, all[i].fd, &event);
        idle[idle_count++] = &all[i];
    }
    double began = now(), end = began + options.seconds;
    uint64_t started = 0, limit = options.requests ? options.requests : UINT64_MAX;
    int under_way = 0;
    for (;;) {
        double t = now();
        int is_over = t >= end || started >= limit;
        double wait = 0.1;
        while (!is_over && idle_count > 0) {
            double due = options.rate ? began + started / options.rate : t;
            if (due > t) {
                wait = due - t;
                break;
            }
            Connection *c = idle[--idle_count];
            c->due = due;
            c->busy = 1;
            prepare(c);
            flush_out(c);
            under_way++;
            is_over = ++started >= limit;
        }
        if (is_over && under_way == 0) break;
        if (t > end + 30) {
            fprintf(stderr, "httpload: %d answers never came\n", under_way);
            return 1;
        }
        struct epoll_event events[256];
        struct timespec timeout = {.tv_nsec = (long)(wait * 1e9)};
        int count = epoll_pwait2(epoll_descriptor, events, 256, &timeout, NULL);
        for (int i = 0; i < count; i++) {
            Connection *c = events[i].data.ptr;
            if (!c->busy) continue;
            flush_out(c);
            for (;;) {
                ssize_t n = recv(c->fd, c->in + c->in_length, IN_BYTES - c->in_length, 0);
                if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
                if (n <= 0) die("recv");
                c->in_length += n;
            }
            int status = answered(c);
            if (!status) continue;
            record(c->due, status);
            c->busy = 0;
            under_way--;
            idle[idle_count++] = c;
        }
    }
    report(now() - began);
    return 0;
}
