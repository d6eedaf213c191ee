<?php
// Does what its query says, as faulty.py does.
[$what, $value] = explode('=', $_SERVER['QUERY_STRING'] . '=');
header('Content-Type: text/plain');
if ($what === 'sleep') {
    usleep((int) ($value * 1000000));
} elseif ($what === 'before') {
    posix_kill(getmypid(), SIGKILL);
} elseif ($what === 'hog') {
    $kept = [];
    for ($n = 0; $n < $value; $n++) {
        $kept[] = str_repeat('x', 1 << 20);
    }
    unset($kept);
} elseif ($what === 'after') {
    echo 'a part';
    flush();
    usleep(200000);
    posix_kill(getmypid(), SIGKILL);
} elseif ($what === 'echo') {
    $input = fopen('php://input', 'rb');
    while (($block = fread($input, 65536)) != '') {
        echo $block;
        flush();
    }
    exit;
}
echo getmypid();
