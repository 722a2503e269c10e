/* Uses a buffer that was freed: the sanitizer must see it, or the other programs prove nothing. */

#include <keyferry.h>
#include <stdio.h>

int main(void) {
    kf_buffer key = {NULL, 0};
    const uint8_t *kept;

    if (kf_generate_key(&key) != KF_OK) {
        return 0;
    }
    kept = key.data;
    kf_buffer_free(&key);
    printf("%d\n", kept[0]);
    return 0;
}
