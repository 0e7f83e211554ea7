/*
 * client.c - a SIP and MI client for the self-test.
 *   client once PORT METHOD [header line]...    sends one request, prints the reply
 *   client twice PORT METHOD [header line]...   sends it, waits, sends it again; prints both replies
 *   client mi PATH REQUEST                      sends one request, prints the answer
 *   client garbage PORT SEED COUNT              sends broken requests, waits for nothing
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int wait_ms = 5000;
static int my_port;

static int connect_to(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) != 0) {
		perror("connect");
		exit(2);
	}
	socklen_t len = sizeof a;
	getsockname(fd, (struct sockaddr *)&a, &len);
	my_port = ntohs(a.sin_port);
	return fd;
}

static int request(char *out, size_t size, const char *method, char **headers, int n)
{
	static int count;
	int id = (int)getpid() * 100 + count++;
	int len = snprintf(out, size,
			   "%s sip:service@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bK%d\r\n"
			   "From: \"A \\\" <b>\" <sip:alice@example.org;x=1>;tag=f%d\r\nt: <sip:bob@example.net>\r\n"
			   "Call-ID: %d@selftest\r\nCSeq: 1 %s\r\nMax-Forwards: 70\r\n",
			   method, my_port, id, id, id, method);
	for (int i = 0; i < n; i++)
		len += snprintf(out + len, size - (size_t)len, "%s\r\n", headers[i]);
	len += snprintf(out + len, size - (size_t)len, "Content-Length: 0\r\n\r\n");
	return len;
}

/* Prints the next final reply (or any, if `any`); false on a time-out. */
static int print_reply(int fd, int any)
{
	char data[65536];
	for (;;) {
		struct pollfd p = {fd, POLLIN, 0};
		if (poll(&p, 1, wait_ms) <= 0)
			return 0;
		ssize_t n = recv(fd, data, sizeof data - 1, 0);
		if (n <= 0)
			return 0;
		data[n] = 0;
		if (!any && strncmp(data, "SIP/2.0 1", 9) == 0)
			continue;
		fputs(data, stdout);
		return 1;
	}
}

static void garbage(int port, unsigned seed, int count)
{
	int fd = connect_to(port);
	char base[4096], data[4096];
	char *headers[] = {"Authorization: Digest username=\"a\", realm=\"b\", nonce=\"c\", uri=\"d\", response=\"e\"",
			   "Contact: <sip:a@b;c=d>;expires=60, \"x\" <sip:e@f>", "Expires: 30", "X-Test: vars",
			   "X-Many: 1\r\nX-Many: 2", "X-List: a=1;b=2"};

	srand(seed);
	for (int i = 0; i < count; i++) {
		int len = request(base, sizeof base, "REGISTER", headers, 6);
		memcpy(data, base, (size_t)len);
		for (int k = rand() % 4 + 1; k > 0; k--) {
			int at = rand() % len;
			switch (rand() % 12) {
			case 0:
				data[at] = (char)rand();
				break;
			case 1:
				len = at + 1;
				break;
			case 2:
			case 3:
			case 4:
			case 5:
			case 6:
				data[at] = "\"<>;:,=@ \r\n\t\\%"[rand() % 14];
				break;
			default:
				memmove(data + at, data + at + 1, (size_t)(len - at - 1));
				len -= len > 1;
			}
		}
		if (send(fd, data, (size_t)len, 0) < 0)
			usleep(1000);
		if (i % 50 == 0)
			usleep(1000);
	}
}

int main(int argc, char **argv)
{
	char data[65536];

	if (getenv("WAIT_MS"))
		wait_ms = atoi(getenv("WAIT_MS"));
	if (argc < 4)
		return 2;
	if (strcmp(argv[1], "mi") == 0) {
		struct sockaddr_un server = {.sun_family = AF_UNIX}, own = {.sun_family = AF_UNIX};
		int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
		snprintf(server.sun_path, sizeof server.sun_path, "%s", argv[2]);
		snprintf(own.sun_path, sizeof own.sun_path, "%s.client", argv[2]);
		unlink(own.sun_path);
		if (bind(fd, (struct sockaddr *)&own, sizeof own) != 0 ||
		    sendto(fd, argv[3], strlen(argv[3]), 0, (struct sockaddr *)&server, sizeof server) < 0) {
			perror(argv[2]);
			return 2;
		}
		return print_reply(fd, 1) ? 0 : 1;
	}
	int port = atoi(argv[2]);
	if (strcmp(argv[1], "garbage") == 0) {
		garbage(port, (unsigned)atoi(argv[3]), atoi(argv[4]));
		return 0;
	}
	int fd = connect_to(port);
	int len = request(data, sizeof data, argv[3], argv + 4, argc - 4);
	(void)!send(fd, data, (size_t)len, 0);
	int ok = print_reply(fd, 0);
	if (strcmp(argv[1], "twice") == 0) {
		(void)!send(fd, data, (size_t)len, 0);
		ok &= print_reply(fd, 0);
	}
	return ok ? 0 : 1;
}
