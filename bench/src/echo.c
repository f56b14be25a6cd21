// A TCP echo server as plain as C and epoll allow: the floor that the others are compared with. Prints its port as JSON.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER_BYTES = 65536, EVENTS = 256 };

/** What the peer has not yet taken; nothing is read from it as long as there is any. */
struct conn {
  int fd;
  char *rest;
  size_t from, to;
};

static char buffer[BUFFER_BYTES];
static int poller;

static void watch(struct conn *conn, int operation, unsigned events) {
  struct epoll_event event = {.events = events, .data.ptr = conn};
  epoll_ctl(poller, operation, conn->fd, &event);
}

static void drop(struct conn *conn) {
  close(conn->fd);
  free(conn->rest);
  free(conn);
}

static void accept_all(int listener) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL) abort();
    conn->fd = fd;
    watch(conn, EPOLL_CTL_ADD, EPOLLIN);
  }
}

static void echo(struct conn *conn) {
  ssize_t got = read(conn->fd, buffer, sizeof buffer);
  if (got <= 0) {
    if (got == 0 || errno != EAGAIN) drop(conn);
    return;
  }
  ssize_t sent = write(conn->fd, buffer, (size_t)got);
  if (sent == got) return;
  if (sent < 0 && errno != EAGAIN) return drop(conn);
  if (sent < 0) sent = 0;
  if (conn->rest == NULL && (conn->rest = malloc(BUFFER_BYTES)) == NULL) abort();
  conn->from = 0;
  conn->to = (size_t)(got - sent);
  memcpy(conn->rest, buffer + sent, conn->to);
  watch(conn, EPOLL_CTL_MOD, EPOLLOUT);
}

static void send_rest(struct conn *conn) {
  ssize_t sent = write(conn->fd, conn->rest + conn->from, conn->to - conn->from);
  if (sent < 0 && errno != EAGAIN) return drop(conn);
  if (sent > 0) conn->from += (size_t)sent;
  if (conn->from == conn->to) watch(conn, EPOLL_CTL_MOD, EPOLLIN);
}

int main(void) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof addr;
  if (bind(listener, (struct sockaddr *)&addr, sizeof addr) || listen(listener, 4096) ||
      getsockname(listener, (struct sockaddr *)&addr, &length)) {
    perror("echo");
    return 1;
  }
  poller = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN};
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
  printf("{\"port\":%d}\n", ntohs(addr.sin_port));
  fflush(stdout);
  for (;;) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(poller, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      struct conn *conn = events[i].data.ptr;
      if (conn == NULL) accept_all(listener);
      else if (events[i].events & EPOLLOUT) send_rest(conn);
      else echo(conn);
    }
  }
}
