/* SPDX-License-Identifier: BSD-2-Clause */
/* The service manager's datagrams, received by a socket of our own. */
#include "../../control/notify.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* A bound socket; an abstract name that the kernel chooses is left in name, @ in front. */
static int listen_abstract(char name[16])
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(address);
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	snprintf(name, 16, "@%.*s", (int)(len - offsetof(struct sockaddr_un, sun_path) - 1),
		 address.sun_path + 1);
	return fd;
}

static int tell(enum notify_state state)
{
	int fd = notify_open(), result = notify_send(fd, state);
	if (fd >= 0)
		close(fd);
	return result;
}

static void expect(int fd, const char *start)
{
	char text[100] = "";
	assert_true(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
	assert_memory_equal(text, start, strlen(start));
}

static void states_reach_an_abstract_socket(void **state)
{
	(void)state;
	char name[16];
	int fd = listen_abstract(name);
	setenv("NOTIFY_SOCKET", name, 1);
	assert_int_equal(tell(NOTIFY_READY), 0);
	expect(fd, "READY=1");
	assert_int_equal(tell(NOTIFY_RELOADING), 0);
	expect(fd, "RELOADING=1\nMONOTONIC_USEC=");
	assert_int_equal(tell(NOTIFY_STOPPING), 0);
	expect(fd, "STOPPING=1");
	close(fd);
	assert_int_equal(tell(NOTIFY_READY), -ECONNREFUSED);
}

static void state_reaches_a_socket_with_a_path(void **state)
{
	(void)state;
	char directory[] = "/tmp/tsuji-notify-XXXXXX";
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	assert_non_null(mkdtemp(directory));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", directory);
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	assert_int_equal(tell(NOTIFY_READY), 0);
	expect(fd, "READY=1");
	close(fd);
	unlink(address.sun_path);
	rmdir(directory);
}

static void nobody_to_tell_is_no_error(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(tell(NOTIFY_READY), 0);
	setenv("NOTIFY_SOCKET", "", 1);
	assert_int_equal(tell(NOTIFY_READY), 0);
}

static void names_that_are_no_socket_are_refused(void **state)
{
	(void)state;
	char longest[200] = "/";
	memset(longest + 1, 'x', sizeof(longest) - 2);
	setenv("NOTIFY_SOCKET", "relative", 1);
	assert_int_equal(tell(NOTIFY_READY), -EINVAL);
	setenv("NOTIFY_SOCKET", longest, 1);
	assert_int_equal(tell(NOTIFY_READY), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_reach_an_abstract_socket),
		cmocka_unit_test(state_reaches_a_socket_with_a_path),
		cmocka_unit_test(nobody_to_tell_is_no_error),
		cmocka_unit_test(names_that_are_no_socket_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
