// The load of `tcp.ts`: `tcp-load PORT CONNECTIONS BYTES IN_FLIGHT`. It is in C so that it is not the bottleneck.
//
// Each line on standard input is a number of milliseconds: so long every connection keeps IN_FLIGHT messages on their way. Then it waits
// until all have come back, so that the server is idle, and prints {"messages", "elapsedUs", "ownCpuUs"}. The first line of all says it is ready.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, READ_BYTES = 1 << 18, WRITE_BYTES = 1 << 18 };

struct conn {
  int fd, is_waiting;
  size_t unsent, unheard, partial;
};

static char out[WRITE_BYTES], in[READ_BYTES];
static size_t message_bytes;
static int poller;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static long now_us(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * 1000000L + time.tv_nsec / 1000;
}

static void watch(struct conn *conn, int operation, int is_waiting) {
  struct epoll_event event = {.events = EPOLLIN | (is_waiting ? EPOLLOUT : 0), .data.ptr = conn};
  if (epoll_ctl(poller, operation, conn->fd, &event)) fail("epoll_ctl");
  conn->is_waiting = is_waiting;
}

static void flush(struct conn *conn) {
  while (conn->unsent > 0) {
    ssize_t sent = write(conn->fd, out, conn->unsent < WRITE_BYTES ? conn->unsent : WRITE_BYTES);
    if (sent < 0 && errno != EAGAIN) fail("write");
    if (sent < 0) {
      if (!conn->is_waiting) watch(conn, EPOLL_CTL_MOD, 1);
      return;
    }
    conn->unsent -= (size_t)sent;
  }
  if (conn->is_waiting) watch(conn, EPOLL_CTL_MOD, 0);
}

/** Gives the number of messages that came back in full. */
static size_t hear(struct conn *conn) {
  ssize_t got = read(conn->fd, in, sizeof in);
  if (got < 0 && errno == EAGAIN) return 0;
  if (got <= 0) fail("read");
  conn->unheard -= (size_t)got;
  conn->partial += (size_t)got;
  size_t complete = conn->partial / message_bytes;
  conn->partial %= message_bytes;
  return complete;
}

static void add(struct conn *conn, size_t messages) {
  conn->unsent += messages * message_bytes;
  conn->unheard += messages * message_bytes;
  flush(conn);
}

int main(int count, char **words) {
  if (count != 5) return 2;
  int connections = atoi(words[2]);
  message_bytes = (size_t)atol(words[3]);
  size_t in_flight = (size_t)atol(words[4]);
  struct sockaddr_in addr = {.sin_family = AF_INET,
                             .sin_port = htons((unsigned short)atoi(words[1])),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct conn *conns = calloc((size_t)connections, sizeof *conns);
  poller = epoll_create1(0);
  for (int i = 0; i < connections; i++) {
    conns[i].fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(conns[i].fd, (struct sockaddr *)&addr, sizeof addr)) fail("connect");
    int on = 1;
    setsockopt(conns[i].fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(conns[i].fd, F_SETFL, O_NONBLOCK);
    watch(&conns[i], EPOLL_CTL_ADD, 0);
  }
  printf("{\"ready\":true}\n");
  fflush(stdout);
  char line[64];
  while (fgets(line, sizeof line, stdin) != NULL) {
    long start = now_us(CLOCK_MONOTONIC), cpu = now_us(CLOCK_PROCESS_CPUTIME_ID);
    long end = start + atol(line) * 1000;
    size_t messages = 0, busy = (size_t)connections;
    for (int i = 0; i < connections; i++) add(&conns[i], in_flight);
    while (busy > 0) {
      struct epoll_event events[EVENTS];
      int ready = epoll_wait(poller, events, EVENTS, -1);
      int is_over = now_us(CLOCK_MONOTONIC) >= end;
      for (int i = 0; i < ready; i++) {
        struct conn *conn = events[i].data.ptr;
        if (events[i].events & ~(unsigned)EPOLLOUT) {
          size_t complete = hear(conn);
          messages += complete;
          if (complete > 0 && !is_over) add(conn, complete);
          if (conn->unheard == 0) busy--;
        }
        if (conn->is_waiting && (events[i].events & EPOLLOUT)) flush(conn);
      }
    }
    printf("{\"messages\":%zu,\"elapsedUs\":%ld,\"ownCpuUs\":%ld}\n", messages, now_us(CLOCK_MONOTONIC) - start,
           now_us(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    fflush(stdout);
  }
  return 0;
}
