// The load for upgrades of `websocket.ts`: `upgrade-load PORT PATH AT_ONCE MILLISECONDS`. It is in C so that it is not the bottleneck.
//
// AT_ONCE connections are opened, upgraded, and reset as soon as the whole answer has come; each is followed by another. (An orderly end would leave so
// many ports in TIME_WAIT that none are left.) Prints {"upgrades", "elapsedUs", "ownCpuUs"}.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, ANSWER_BYTES = 4096 };

struct conn {
  int fd;
  size_t got;
  char answer[ANSWER_BYTES];
};

static char request[1024];
static size_t request_bytes;
static int poller;
static struct sockaddr_in addr;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static long now_us(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * 1000000L + time.tv_nsec / 1000;
}

static void begin(struct conn *conn) {
  struct linger reset = {.l_onoff = 1, .l_linger = 0};
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
  int on = 1;
  conn->got = 0;
  conn->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (conn->fd < 0) fail("socket");
  setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  if (connect(conn->fd, (struct sockaddr *)&addr, sizeof addr)) fail("connect");
  setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (write(conn->fd, request, request_bytes) != (ssize_t)request_bytes) fail("write");
  if (epoll_ctl(poller, EPOLL_CTL_ADD, conn->fd, &event)) fail("epoll_ctl");
}

/** True once the whole answer is there. */
static int hear(struct conn *conn) {
  ssize_t got = read(conn->fd, conn->answer + conn->got, ANSWER_BYTES - conn->got);
  if (got <= 0) fail("read");
  conn->got += (size_t)got;
  if (conn->got < 4 || memcmp(conn->answer + conn->got - 4, "\r\n\r\n", 4) != 0) return 0;
  if (memcmp(conn->answer, "HTTP/1.1 101", 12) == 0) return 1;
  fprintf(stderr, "not upgraded: %.*s", (int)conn->got, conn->answer);
  exit(1);
}

int main(int count, char **words) {
  if (count != 5) return 2;
  int at_once = atoi(words[3]), open = at_once;
  addr = (struct sockaddr_in){.sin_family = AF_INET,
                              .sin_port = htons((unsigned short)atoi(words[1])),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  request_bytes = (size_t)snprintf(request, sizeof request,
                                   "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                                   words[2]);
  struct conn *conns = calloc((size_t)at_once, sizeof *conns);
  poller = epoll_create1(0);
  long start = now_us(CLOCK_MONOTONIC), end = start + atol(words[4]) * 1000;
  size_t upgrades = 0;
  for (int i = 0; i < at_once; i++) begin(&conns[i]);
  while (open > 0) {
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(poller, events, EVENTS, -1);
    int is_over = now_us(CLOCK_MONOTONIC) >= end;
    for (int i = 0; i < ready; i++) {
      struct conn *conn = events[i].data.ptr;
      if (!hear(conn)) continue;
      upgrades++;
      close(conn->fd);
      if (is_over) open--;
      else begin(conn);
    }
  }
  printf("{\"upgrades\":%zu,\"elapsedUs\":%ld,\"ownCpuUs\":%ld}\n", upgrades, now_us(CLOCK_MONOTONIC) - start,
         now_us(CLOCK_PROCESS_CPUTIME_ID));
  return 0;
}
