/* Does nothing until it is killed: what keeps a pod's namespaces. Linked statically, because its image holds nothing else. */

#include <unistd.h>

int main(void) {
    for (;;) {
        pause();
    }
}
