/* What the standard library links to where nothing unwinds: a panic ends the program, and a backtrace is empty. For
 * packaging/static, where there is no libunwind for musl. */

struct _Unwind_Context;

int _Unwind_Backtrace(void *each, void *argument) { return 0; }
unsigned long _Unwind_GetIP(struct _Unwind_Context *context) { return 0; }
unsigned long _Unwind_GetCFA(struct _Unwind_Context *context) { return 0; }
void *_Unwind_FindEnclosingFunction(void *at) { return 0; }
